"""Detections while they are being made: a file that an interrupted run continues from.

Beside `boxes.json` lies `boxes.partial.jsonl`: its first line holds the settings, every other one
the boxes of an image. When all images are done, `boxes.json` (the list that `read_detections`
reads) and `boxes.meta.json` (the settings) take its place.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dcpose.files.writing import naming, write_text

DIGITS = 3
"""Decimals of boxes, in pixels; scores keep six."""

Key = int | str
"""What an image is known by in the detections file: its image_id or its image_name."""


class PartialDetections:
    """Boxes by image, on disk as soon as they are added; use it in a `with` block.

    Args:
        out: the detections file to be, `<name>.json`.
        settings: what the boxes depend on; a run with other settings is not continued.

    Raises:
        ValueError: if `out` is there already, or an unfinished run had other settings.
    """

    def __init__(self, out: Path, settings: Mapping[str, Any]) -> None:
        if out.suffix != ".json":
            raise ValueError(f"{out}: the detections file must be called <name>.json")
        if out.exists():
            raise ValueError(f"{out}: exists already; remove it or choose another name")
        self.out = out
        self.settings = dict(settings)
        self.path = out.with_suffix(".partial.jsonl")
        self.done: dict[Key, list[dict[str, Any]]] = {}
        out.parent.mkdir(parents=True, exist_ok=True)
        complete = self._read() if self.path.exists() else b""
        if not complete:
            complete = (json.dumps(self.settings) + "\n").encode()
        # what an interrupted run left of its last line goes
        self.path.write_bytes(complete)
        self._file = self.path.open("a", encoding="utf-8")

    def __enter__(self) -> "PartialDetections":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def add(self, key: Key, boxes_xywh: np.ndarray, scores: np.ndarray) -> None:
        """Keep the (N, 4) boxes and (N,) scores of an image."""
        boxes = [
            {
                "category_id": 1,
                "bbox": [round(float(value), DIGITS) for value in box],
                "score": round(float(score), 6),
            }
            for box, score in zip(boxes_xywh, scores, strict=True)
        ]
        with naming(self.path, result="it can be continued from"):
            self._file.write(json.dumps([key, boxes]) + "\n")
            self._file.flush()
        self.done[key] = boxes

    def finish(self, keys: Sequence[Key], key_name: str, facts: Mapping[str, Any]) -> int:
        """Write the detections of all images, in order, and the settings beside them.

        Args:
            keys: all images; each has been added.
            key_name: "image_id" or "image_name".
            facts: more to keep beside the settings.

        Returns:
            the number of boxes.
        """
        entries = [{key_name: key, **box} for key in keys for box in self.done[key]]
        counts = {"images": len(keys), "boxes": len(entries)}
        _write_json(self.out.with_suffix(".meta.json"), {**self.settings, **facts, **counts})
        _write_json(self.out, entries)
        self._file.close()
        self.path.unlink()
        return len(entries)

    def _read(self) -> bytes:
        """Read what an earlier run left and return its complete lines."""
        complete, _, _ = self.path.read_bytes().rpartition(b"\n")
        if not complete:
            return b""
        header, *lines = complete.split(b"\n")
        try:
            settings = json.loads(header)
            self.done = dict(map(json.loads, lines))
        except (ValueError, TypeError) as error:
            raise ValueError(f"{self.path}: cannot be continued ({error}); remove it") from None
        if settings != self.settings:
            keys = settings.keys() | self.settings.keys()
            other = [key for key in sorted(keys) if settings.get(key) != self.settings.get(key)]
            raise ValueError(
                f"{self.path}: was begun with another {', '.join(other)} "
                f"({settings.get(other[0])!r}, now {self.settings.get(other[0])!r}); repeat those "
                "settings to continue it, or remove it"
            )
        return complete + b"\n"


def _write_json(path: Path, content: Any) -> None:  # noqa: ANN401 - what JSON can hold
    write_text(path, json.dumps(content, indent=1) + "\n")
