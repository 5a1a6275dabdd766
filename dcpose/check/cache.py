"""Facts about files that are kept between runs, each valid while its file does not change.

One JSON file; an entry is keyed by path and stamped with modification time and size. A cache that
cannot be read, or that an older version wrote, is as good as none.
"""

import hashlib
import json
import logging
import os
from pathlib import Path
from typing import Any

from dcpose.files.writing import naming, write_text

logger = logging.getLogger(__name__)

Stamp = list[int]
"""Modification time in nanoseconds and size in bytes."""

VERSION = 6
"""Goes up when facts gain or change meaning, so that older ones are found out anew."""


def cache_name(prefix: str, *parts: str) -> str:
    """Return a file name without suffix that differs for different parts."""
    digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()
    return f"{prefix}-{digest[:16]}"


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

    def get(self, key: str, stamp: object) -> Any:  # noqa: ANN401 - any JSON value
        """Return the facts kept under a key, or None if there are none for this stamp."""
        entry = self._now.get(key) or self._before.get(key)
        if not isinstance(entry, list) or len(entry) != 2 or entry[0] != stamp:
            return None
        self._now[key] = entry
        return entry[1]

    def put(self, key: str, stamp: object, facts: object) -> None:
        """Keep facts, a JSON value other than null."""
        self._now[key] = [stamp, facts]

    def save(self) -> None:
        """Write what was asked for or put since the start; a full disk is only worth a warning."""
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
