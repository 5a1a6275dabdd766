"""Facts about files that are kept between runs, each valid while its file does not change.

One JSON file; an entry is keyed by path and stamped with modification time and size. A cache that
cannot be read, or that an older version wrote, is as good as none.
"""

import contextlib
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from dcpose.files.writing import naming, write_text

logger = logging.getLogger(__name__)

T = TypeVar("T")

Stamp = list[int]
"""Modification time in nanoseconds and size in bytes."""

VERSION = 7
"""Goes up when facts gain or change meaning, so that older ones are found out anew."""


def stamp_of(stat: os.stat_result) -> Stamp:
    """Return the stamp of a file."""
    return [stat.st_mtime_ns, stat.st_size]


class FactCache:
    """Facts by path and stamp.

    Args:
        path: the JSON file; None keeps nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._before = {} if path is None else _read(path)
        self._now: dict[str, list[Any]] = {}

    def find(self, key: str, stamp: object, kind: TypeAdapter[T], look: Callable[[], T]) -> T:
        """Return the facts that were kept under a key; else look for them, and keep them.

        Args:
            key: the path that they are about.
            stamp: a JSON value; facts that were kept with another one are not used.
            kind: what they are; facts that were kept and are something else are not used.
            look: finds them.
        """
        entry = self._now.get(key) or self._before.get(key)
        if isinstance(entry, list) and len(entry) == 2 and entry[0] == stamp:
            with contextlib.suppress(ValidationError):  # damaged: look again
                kept = kind.validate_python(entry[1])
                self._now[key] = entry
                return kept
        facts = look()
        self._now[key] = [stamp, kind.dump_python(facts)]
        return facts

    def save(self) -> None:
        """Write what was asked for since the start; a full disk is only worth a warning."""
        if self._path is None or self._now == self._before:
            return
        # entries of other splits stay, so that checks of single splits do not undo each other
        content = {"version": VERSION, "entries": {**self._before, **self._now}}
        try:
            with naming(self._path, self._path.parent):
                self._path.parent.mkdir(parents=True, exist_ok=True)
                write_text(self._path, json.dumps(content))
        except OSError as error:
            logger.warning("%s; the next check starts cold", error)


def _read(path: Path) -> dict[str, list[Any]]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(content, dict) or content.get("version") != VERSION:
        return {}
    entries = content.get("entries")
    return entries if isinstance(entries, dict) else {}
