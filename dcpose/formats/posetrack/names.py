"""Video and frame number from the image names of PoseTrack files.

2018 files write `images/val/003418_mpii_test/000000.jpg` (frames from 0, six digits), 2017 files
`images/bonn_5sec/000342_mpii/00000001.jpg` (frames from 1, eight digits). The folder starts with
the number of the video and its source.
"""

from dataclasses import dataclass

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


def order_mismatch(first: list[str], second: list[str]) -> tuple[int, str, str] | None:
    """Find the first position where two lists of image names mean different frames.

    Folder and frame number are compared; path prefixes, digits and a constant shift of the
    numbers (2018 files count from 0, 2017 files from 1) are not. Names that do not follow the
    pattern are skipped.

    Args:
        first: image names of one file, in order.
        second: image names of another file, in order, as many.

    Returns:
        position, name in `first`, name in `second`; None if all agree.
    """
    parsed = []
    for position, names in enumerate(zip(first, second, strict=True)):
        try:
            parsed.append((position, parse_frame_name(names[0]), parse_frame_name(names[1])))
        except ValueError:
            continue
    if not parsed:
        return None
    shift = min(b.frame for _, _, b in parsed) - min(a.frame for _, a, _ in parsed)
    for position, a, b in parsed:
        if a.folder != b.folder or b.frame - a.frame != shift or abs(shift) > 1:
            return position, first[position], second[position]
    return None


def _cut(text: str) -> str:
    """Return a text for a message, quoted, and cut to a readable length."""
    return repr(text) if len(text) <= 100 else f"{text[:97]!r}..."
