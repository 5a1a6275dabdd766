"""Video and frame number from the image names of PoseTrack files.

2018 files write `images/val/003418_mpii_test/000000.jpg` (frames from 0, six digits), 2017 files
`images/bonn_5sec/000342_mpii/00000001.jpg` (frames from 1, eight digits). The folder starts with
the number of the video and its source.

PoseTrack's image ids say the same once more, TSSSSSSFFFF: a file with such ids has to have such
names, as the evaluator of PoseTrack asks for. In files with ids of their own a video is the folder
of its frames, whatever it is called, and frames may be numbered to any length.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

SOURCES = ("mpii", "bonn", "mpiinew")
"""Where the videos of PoseTrack come from; the position + 1 is the first digit of an image id."""
NAME_PATTERN = "<video number>_<mpii|bonn|mpiinew>.../<frame number 0..9999>.jpg"
"""What the end of an image name has to look like, for messages."""


@dataclass(frozen=True)
class FrameName:
    """The parts of an image name.

    Attributes:
        folder: last folder of the path, e.g. `003418_mpii_test`.
        video: number of the video.
        source: one of `SOURCES`.
        frame: number of the frame, 0..9999.
    """

    folder: str
    video: int
    source: str
    frame: int

    @property
    def image_id(self) -> int:
        """PoseTrack 2018 id TSSSSSSFFFF: source, video, frame."""
        return (SOURCES.index(self.source) + 1) * 10**10 + self.video * 10**4 + self.frame


def parse_frame_name(file_name: str) -> FrameName:
    """Split an image name of a 2017 or 2018 file.

    Raises:
        ValueError: if folder or file do not follow `NAME_PATTERN`.
    """
    *_, folder, image = ("", *file_name.split("/"))
    tokens = folder.split("_")
    stem = image.split(".")[0]
    if len(tokens) < 2 or not tokens[0].isdecimal() or tokens[1] not in SOURCES:
        raise ValueError(
            f"image {_cut(file_name)}: folder {_cut(folder)} does not follow {NAME_PATTERN}"
        )
    if not stem.isdecimal() or int(stem) > 9999:
        raise ValueError(f"image {_cut(file_name)}: {_cut(image)} does not follow {NAME_PATTERN}")
    return FrameName(folder, int(tokens[0]), tokens[1], int(stem))


def has_posetrack_ids(image_ids: Iterable[object]) -> bool:
    """Say whether any image id of a file is one of PoseTrack's, source, video and frame."""
    last = (len(SOURCES) + 1) * 10**10
    return any(isinstance(i, int | float) and 10**10 <= i < last for i in image_ids)


def videos_of(images: list[tuple[object, str]]) -> list[str]:
    """Return what tells the video of each image of a file.

    Args:
        images: id and name of each.

    Raises:
        ValueError: for the first name that does not follow `NAME_PATTERN`, if the ids are
            PoseTrack's; names of files with other ids may be any.
    """
    if not has_posetrack_ids(image_id for image_id, _ in images):
        return [str(PurePosixPath(name).parent) for _, name in images]
    videos = []
    for position, (_, name) in enumerate(images):
        try:
            videos.append(str(parse_frame_name(name).video))
        except ValueError as error:
            raise ValueError(
                f"images[{position}]: {error}, as image ids of 11 digits that begin with 1, 2 or 3 "
                "(PoseTrack's) ask for"
            ) from None
    return videos


def order_mismatch(first: list[str], second: list[str]) -> tuple[int, str, str] | None:
    """Find the first position where two lists of image names mean different frames.

    Folder and frame number are compared; path prefixes, digits and a constant shift of the
    numbers (2018 files count from 0, 2017 files from 1) are not. Names without a folder or a
    number are skipped.

    Args:
        first: image names of one file, in order.
        second: image names of another file, in order, as many.

    Returns:
        position, name in `first`, name in `second`; None if all agree.
    """
    parsed = []
    for position, names in enumerate(zip(first, second, strict=True)):
        a, b = map(_folder_and_number, names)
        if a is not None and b is not None:
            parsed.append((position, a, b))
    if not parsed:
        return None
    shift = min(b[1] for _, _, b in parsed) - min(a[1] for _, a, _ in parsed)
    for position, a, b in parsed:
        if a[0] != b[0] or b[1] - a[1] != shift or abs(shift) > 1:
            return position, first[position], second[position]
    return None


def _folder_and_number(name: str) -> tuple[str, int] | None:
    path = PurePosixPath(name)
    number = re.fullmatch("[0-9]{1,18}", path.stem)
    return (path.parent.name, int(number[0])) if number and path.parent.name else None


def _cut(text: str) -> str:
    """Return a text for a message, quoted, and cut to a readable length."""
    return repr(text) if len(text) <= 100 else f"{text[:97]!r}..."
