"""What annotation files say, and everything that is wrong inside each of them.

A run stops at the first thing that breaks the form; here the same reader collects all of them. Of
a 2017 file, and of a file of all videos, what hinders the reading is found, but only the first of
it. Every check that needs more than one file starts from the facts that come out of here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from dcpose.check.people import check_people
from dcpose.formats.fields import read_object
from dcpose.formats.findings import Finding, Findings
from dcpose.formats.posetrack.merged import split_videos
from dcpose.formats.posetrack.video_file import VideoFile, parse_video_file
from dcpose.skeleton import Skeleton


class ListedFrame(NamedTuple):
    """A frame that an annotation file lists, and whom it annotates there: people, their boxes."""

    file_name: str
    number: int
    image_id: int
    people: int
    boxes: list[list[float]]


@dataclass(frozen=True)
class AnnotationFacts:
    """What annotation files say about one video.

    Attributes:
        name: what predictions are named after: file name without `.json`, or folder of the frames.
        source: the file, and the video where it holds several; for messages.
        frames: frames whose entries are well formed, in file order.
        first_frame: number of the first frame of the clip.
        num_frames: length of the clip.
        image_wh: (width, height) of the frames in pixels; None if the file does not say.
        findings: what is wrong inside the file.
    """

    name: str
    source: str
    frames: list[ListedFrame]
    first_frame: int
    num_frames: int
    image_wh: tuple[int, int] | None
    findings: list[Finding]

    @property
    def labelled(self) -> list[ListedFrame]:
        """Frames with at least one annotated person."""
        return [frame for frame in self.frames if frame.people]

    @property
    def digits(self) -> int:
        """Digits of a frame's name: 6 (frames count from 0) or 8 (from 1)."""
        return len(PurePosixPath(self.frames[0].file_name).stem) if self.frames else 6

    @property
    def suffix(self) -> str:
        """Extension of the frames, with its dot; there is at least one."""
        return PurePosixPath(self.frames[0].file_name).suffix

    @property
    def clip(self) -> range:
        """Numbers of all frames of the clip."""
        return range(self.first_frame, self.first_frame + self.num_frames)


def inspect_file(source: Path, merged: bool, skeleton: Skeleton) -> list[AnnotationFacts]:
    """Inspect an annotation file: of one video, in the form of 2017 or 2018, or of all of a split.

    Args:
        source: the file.
        merged: whether it is of all videos.
        skeleton: joints of the files.
    """
    try:
        content = read_object(source)
        if not merged:
            facts = _inspect_video(content, source.stem, str(source), skeleton)
            facts.findings.extend(_check_video_name(facts))
            return [facts]
        parts = split_videos(content, str(source))
        if not parts:
            raise ValueError("no frame is listed, expected at least one")
    except ValueError as error:
        text = str(error).removeprefix(f"{source}: ")
        mend = "fetch or convert the file again"
        finding = Finding("annotation-file", str(source), text, mend)
        return [AnnotationFacts(source.stem, str(source), [], 0, 0, None, [finding])]
    return [
        _inspect_video(part, name, f"{source} ({name})", skeleton) for name, part in parts.items()
    ]


def _inspect_video(
    content: dict[str, Any], name: str, source: str, skeleton: Skeleton
) -> AnnotationFacts:
    findings = Findings(strict=False)
    file = parse_video_file(content, source, skeleton, findings)
    people = Counter(person.image_id for person in file.people)
    boxes: dict[int, list[list[float]]] = {image["id"]: [] for image in file.images}
    for person in file.people:
        if person.box_xywh is not None:
            boxes[person.image_id].append(person.box_xywh.tolist())
    frames = [
        ListedFrame(
            image["file_name"], number, image["id"], people[image["id"]], boxes[image["id"]]
        )
        for image, number in zip(file.images, file.numbers, strict=True)
        if number >= 0
    ]
    return AnnotationFacts(
        name=name,
        source=source,
        frames=frames,
        first_frame=file.first_frame,
        num_frames=file.num_frames,
        image_wh=file.image_wh,
        findings=[*findings.found, *check_people(file, skeleton), *_check_flags(file, people)],
    )


def _check_video_name(facts: AnnotationFacts) -> Iterator[Finding]:
    folders = {PurePosixPath(frame.file_name).parent.name for frame in facts.frames}
    # files of 2017 have names of their own
    if len(folders) == 1 and facts.name not in folders and facts.digits == 6:
        (folder,) = folders
        found = f"annotates the frames of video {folder}"
        mend = f"rename the file to {folder}.json: predictions are named after it"
        yield Finding("video-name", facts.source, found, mend)


def _check_flags(file: VideoFile, people: Counter[int]) -> Iterator[Finding]:
    odd = [i["file_name"] for i in file.images if i.get("is_labeled") is False and people[i["id"]]]
    if odd:
        found = f"{odd[0]} has annotated people but is_labeled is false"
        mend = "the people count; the flag is not read"
        yield Finding("annotation-entry", file.where, found, mend, level="note", count=len(odd))
