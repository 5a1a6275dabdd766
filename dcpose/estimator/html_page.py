"""A video and the poses in it as one page, which opens from disk in any browser."""

import base64
import html
import json
import logging
import math
import re
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np

from dcpose.estimator.frame_result import FrameResult, People
from dcpose.files.writing import replacing
from dcpose.skeleton import Skeleton
from dcpose.video.source import FrameSource
from dcpose.video.writer import VideoWriter
from dcpose.visualize.people import MIN_JOINT_SCORE

_log = logging.getLogger(__name__)

TEMPLATE = Path(__file__).with_suffix(".html")
LONGEST_SIDE = 1280
"""Larger frames are scaled down to it: the page is for looking, and holds the whole video."""

LARGE_MB = 350
"""Browsers give up on pages somewhat larger than this."""

_ORIGIN = re.compile(r'<meta name="dcpose-source" content="([^"]*)">')
_BLOCK = 3 << 18  # whole groups of base64


class HtmlPage(AbstractContextManager["HtmlPage"]):
    """Collects results, and writes the page when it is closed.

    The page holds the frames as they were seen, without drawings, and the poses as numbers, which
    it draws over them. Until it is closed, the video grows in a hidden file beside it.

    Args:
        path: file to write; its folder exists.
        source: gives the name, rate and sound of the video.
        skeleton: of the joints.
    """

    def __init__(self, path: Path, source: FrameSource, skeleton: Skeleton) -> None:
        self.path = path
        self._title = source.name
        self._origin = source.origin
        self._skeleton = skeleton
        width, height = source.frame_wh
        self._scale = min(1.0, LONGEST_SIDE / max(width, height))
        # even sizes: browsers play no H.264 without colour subsampling, which odd ones need
        self._wh = tuple(2 * math.ceil(self._scale * side / 2) for side in (width, height))
        self._film = path.with_name(f".{path.name}.mp4")
        self._video = VideoWriter(self._film, source, (self._wh[0], self._wh[1]))
        self._shown = [name not in skeleton.unlabelled for name in skeleton.joint_names]
        self._times: list[float] = []
        self._people: list[list[dict[str, Any]]] = []

    def __exit__(self, *error: object) -> None:
        self.close(complete=error[0] is None)

    def write(self, result: FrameResult) -> None:
        """Add a frame and its people."""
        image = result.image
        if self._scale < 1:
            size = [max(1, round(self._scale * side)) for side in image.shape[1::-1]]
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        self._video.write(image, result.ticks, result.duration)
        self._times.append(round(result.time, 4))
        self._people.append(_entries(result.people, self._scale, self._shown))

    def close(self, complete: bool = True) -> None:
        """Write the page, if it has a frame; a second call does nothing.

        Args:
            complete: False drops the sound after the last frame.
        """
        self._video.close(complete)
        if not self._film.exists():
            return
        try:
            with replacing(self.path) as unfinished:
                self._compose(unfinished)
        finally:
            self._film.unlink()
        megabytes = self.path.stat().st_size / 1e6
        if megabytes > LARGE_MB:
            _log.warning(
                "%s has %.0f MB, which may be too much for a browser; cut the video, or open the "
                ".mp4 of --draw",
                self.path,
                megabytes,
            )

    def _compose(self, path: Path) -> None:
        parts = {
            "origin": html.escape(self._origin),
            "title": html.escape(self._title),
            # inside a script element, only this character can end it
            "poses": json.dumps(self._data(), allow_nan=False).replace("<", "\\u003c"),
        }
        page = TEMPLATE.read_text(encoding="utf-8")
        before, after = page.split("{{film}}")
        for name, text in parts.items():
            before = before.replace(f"{{{{{name}}}}}", text)
        with path.open("wb") as file, self._film.open("rb") as film:
            file.write(before.encode("utf-8"))
            _copy_base64(film, file)
            file.write(after.encode("utf-8"))

    def _data(self) -> dict[str, Any]:
        skeleton = self._skeleton
        number = {name: index for index, name in enumerate(skeleton.joint_names)}
        return {
            "wh": self._wh,
            "joints": skeleton.joint_names,
            "limbs": [
                [number[start], number[end], _side(skeleton, start, end)]
                for start, end in skeleton.limbs
            ],
            "minJointScore": MIN_JOINT_SCORE,
            "times": self._times,
            "people": self._people,
        }


def read_origin(path: Path) -> str | None:
    """Return the source of a page that `HtmlPage` wrote; None if it is another file."""
    with path.open(encoding="utf-8", errors="replace") as file:
        found = _ORIGIN.search(file.read(4096))
    return html.unescape(found[1]) if found else None


def _entries(people: People, scale: float, shown: list[bool]) -> list[dict[str, Any]]:
    scores = np.nan_to_num(people.scores)
    boxes = np.nan_to_num(scale * people.boxes_xywh)
    return [
        {
            "id": int(people.track_ids[row]),
            "score": round(float(scores[row]), 3),
            "box": [round(float(value), 1) for value in boxes[row]],
            "joints": [
                [round(scale * float(x), 1), round(scale * float(y), 1), round(float(score), 2)]
                if seen and np.isfinite([x, y, score]).all()
                else None
                for (x, y), score, seen in zip(
                    people.joints[row], people.joint_scores[row], shown, strict=True
                )
            ],
        }
        for row in range(len(people))
    ]


def _side(skeleton: Skeleton, start: str, end: str) -> str:
    left, right = ({pair[which] for pair in skeleton.flip_pairs} for which in (0, 1))
    sides = {"left" if name in left else "right" if name in right else "" for name in (start, end)}
    sides -= {""}
    return sides.pop() if len(sides) == 1 else "middle"


def _copy_base64(source: BinaryIO, target: BinaryIO) -> None:
    while block := source.read(_BLOCK):
        target.write(base64.b64encode(block))
