"""What annotation files say, and everything that is wrong inside each of them.

The reader of `posetrack.py` stops at the first thing that breaks the form; here all of them are
collected. 2017 files and files of all videos are first turned into the form of 2018, one object
per video; what that refuses is found, too, but only the first of it. Every check that needs more
than one file starts from the facts that come out of here.
"""

import re
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from dcpose.check.findings import Finding
from dcpose.check.people import check_people
from dcpose.formats import fields
from dcpose.formats.posetrack.annolist import to_2018_form
from dcpose.formats.posetrack.images import get_image_name
from dcpose.formats.posetrack.merged import split_videos
from dcpose.formats.posetrack.records import FIRST_FRAME_OF_DIGITS
from dcpose.skeleton import Skeleton


class ListedFrame(NamedTuple):
    """A frame that an annotation file lists, and how many people it annotates there."""

    file_name: str
    number: int
    image_id: int
    people: int


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

    def to_json(self) -> dict[str, Any]:
        """Return a JSON value that `from_json` reads."""
        return {**vars(self), "findings": [asdict(finding) for finding in self.findings]}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "AnnotationFacts":
        """Rebuild facts from `to_json`; KeyError or TypeError if the value is something else."""
        size = value["image_wh"]
        return cls(
            name=value["name"],
            source=value["source"],
            frames=[ListedFrame(*frame) for frame in value["frames"]],
            first_frame=value["first_frame"],
            num_frames=value["num_frames"],
            image_wh=None if size is None else (size[0], size[1]),
            findings=[Finding(**finding) for finding in value["findings"]],
        )


def inspect_folder_file(source: Path, skeleton: Skeleton) -> list[AnnotationFacts]:
    """Inspect the annotation file of one video, in the form of 2017 or of 2018."""
    try:
        content = _read_object(source)
        is_2017 = "annolist" in content
        if is_2017:
            content = _from_2017(content, str(source), skeleton)
    except ValueError as error:
        return [_unreadable(source, error)]
    facts = _inspect_video(content, source.stem, str(source), skeleton)
    if is_2017:
        return [_judge_as_2017(facts)]
    return [replace(facts, findings=[*facts.findings, *_check_video_name(facts)])]


def _check_video_name(facts: AnnotationFacts) -> list[Finding]:
    folders = {PurePosixPath(frame.file_name).parent.name for frame in facts.frames}
    # files of 2017 have names of their own
    if len(folders) != 1 or facts.name in folders or facts.digits != 6:
        return []
    (folder,) = folders
    found = f"annotates the frames of video {folder}"
    mend = f"rename the file to {folder}.json: predictions are named after it"
    return [Finding("video-name", facts.source, found, mend)]


def inspect_merged_file(source: Path, skeleton: Skeleton) -> list[AnnotationFacts]:
    """Inspect a file of all videos of a split."""
    try:
        parts = split_videos(_read_object(source), str(source))
    except ValueError as error:
        return [_unreadable(source, error)]
    return [
        _inspect_video(part, name, f"{source} ({name})", skeleton) for name, part in parts.items()
    ]


def _read_object(source: Path) -> dict[str, Any]:
    content = fields.read_json(source)
    if not isinstance(content, dict):
        raise ValueError(f"expected a JSON object, found {fields.kind(content)}")
    if "annolist" not in content and not isinstance(content.get("images"), list):
        raise ValueError(f"images must list the frames, found {fields.kind(content.get('images'))}")
    if not content.get("images") and not content.get("annolist"):
        raise ValueError("no frame is listed, expected at least one")
    return content


def _unreadable(source: Path, error: ValueError) -> AnnotationFacts:
    text = str(error).removeprefix(f"{source}: ")
    mend = "fetch or convert the file again"
    finding = Finding("annotation-file", str(source), text, mend)
    return AnnotationFacts(source.stem, str(source), [], 0, 0, None, [finding])


def _from_2017(content: dict[str, Any], where: str, skeleton: Skeleton) -> dict[str, Any]:
    """Return a 2017 file in the form of 2018, with head boxes."""
    converted = to_2018_form(content, where, skeleton)
    people = [person for frame in content["annolist"] for person in frame.get("annorect") or []]
    for person, entry in zip(people, converted["annotations"], strict=True):
        corners = [person.get(key) for key in ("x1", "y1", "x2", "y2")]
        values = [c[0] for c in corners if isinstance(c, list) and len(c) == 1]
        if len(values) == 4 and all(map(fields.is_finite_number, values)):
            x1, y1, x2, y2 = values
            entry["bbox_head"] = [x1, y1, x2 - x1, y2 - y1]
    return converted


def _judge_as_2017(facts: AnnotationFacts) -> AnnotationFacts:
    """Return facts with what the 2017 form allows: people with a head box alone, no clip length."""
    findings = [
        replace(f, level="note") if f.code == "person-without-joints" else f
        for f in facts.findings
        if f.code != "clip-length"
    ]
    numbers = [frame.number for frame in facts.frames]
    first = min(numbers, default=0)
    length = max(numbers, default=-1) - first + 1
    return replace(facts, findings=findings, first_frame=first, num_frames=length)


def _inspect_video(
    content: dict[str, Any], name: str, source: str, skeleton: Skeleton
) -> AnnotationFacts:
    images, findings = _well_formed_images(content["images"], source)
    findings += _check_names(images, source) + _check_repeated(images, source)
    num_frames, lengths = _clip_length(images, source)
    image_wh, sizes = _image_size(images, source)
    ids = {image["id"] for image in images}
    people, in_people = check_people(content, ids, image_wh, source, skeleton)
    frames = [
        ListedFrame(i["file_name"], _number(i["file_name"]), i["id"], people[i["id"]])
        for i in images
        if _number(i["file_name"]) >= 0
    ]
    findings += [*lengths, *sizes, *in_people, *_check_flags(images, people, source)]
    first = min((_first_frame(frame.file_name) for frame in frames), default=0)
    return AnnotationFacts(name, source, frames, first, num_frames, image_wh, findings)


def _first_frame(file_name: str) -> int:
    return FIRST_FRAME_OF_DIGITS.get(len(PurePosixPath(file_name).stem), 0)


def _well_formed_images(
    entries: list[Any], source: str
) -> tuple[list[dict[str, Any]], list[Finding]]:
    images, findings = [], []
    for index, entry in enumerate(entries):
        where = f"{source}: images[{index}]"
        try:
            image_id = fields.get_int(entry, "id", where)
            file_name = get_image_name(entry, "file_name", where)
            images.append({**entry, "id": image_id, "file_name": file_name})
        except ValueError as error:
            text = str(error).removeprefix(f"{where}: ")
            findings.append(Finding("annotation-entry", where, text, "correct this entry"))
    return images, findings


def _number(file_name: str) -> int:
    """Return the number of a frame by its name, -1 if the name is none."""
    stem = PurePosixPath(file_name).stem
    return int(stem) if re.fullmatch("[0-9]{6}|[0-9]{8}", stem) else -1


def _check_names(images: list[dict[str, Any]], source: str) -> list[Finding]:
    findings = []
    nameless = [i["file_name"] for i in images if _number(i["file_name"]) < 0]
    if nameless:
        findings.append(
            Finding(
                "frame-name",
                source,
                f"file_name {nameless[0]!r} is not the number of a frame",
                "name frames by 6 digits counted from 0, as in images/val/<video>/000000.jpg",
                count=len(nameless),
            )
        )
    paths = [PurePosixPath(i["file_name"]) for i in images]
    kinds = Counter((str(p.parent), len(p.stem), p.suffix) for p in paths)
    if len(kinds) > 1:
        shown = ", ".join(f"{f}/{'0' * n}{suffix}" for f, n, suffix in list(kinds)[:3])
        found = f"frames of {len(kinds)} kinds of name in one file ({shown})"
        mend = "write one annotation file per video, with one folder, digits and extension"
        findings.append(Finding("frame-name", source, found, mend))
    return findings


def _check_repeated(images: list[dict[str, Any]], source: str) -> list[Finding]:
    findings = []
    for key in ("id", "file_name"):
        repeated = [v for v, n in Counter(i[key] for i in images).items() if n > 1]
        if repeated:
            found = f"several images have {key} {repeated[0]!r}"
            mend = "list every frame once, each with its own id"
            findings.append(Finding("frame-repeated", source, found, mend, count=len(repeated)))
    return findings


def _clip_length(images: list[dict[str, Any]], source: str) -> tuple[int, list[Finding]]:
    """Return the length of the clip (the longest one said) and what is wrong with it."""
    values = [i["nframes"] for i in images if i.get("nframes") is not None]
    lengths = {value for value in values if _is_size(value)}
    length = max(lengths, default=len(images))
    mend = "set nframes of every image to the length of the clip in frames"
    odd = [value for value in values if not _is_size(value)]
    if odd or len(lengths) > 1:
        shown = ", ".join(map(repr, [*odd[:2], *sorted(lengths)[:3]]))
        return length, [Finding("clip-length", source, f"nframes is {shown}", mend)]
    beyond = []
    for image in images:
        number = _number(image["file_name"])
        first = _first_frame(image["file_name"])
        if number >= 0 and not first <= number < first + length:
            beyond.append(image["file_name"])
    if not beyond:
        return length, []
    found = f"{beyond[0]} is not in the clip of {length} frames"
    return length, [Finding("clip-length", source, found, mend, count=len(beyond))]


def _image_size(
    images: list[dict[str, Any]], source: str
) -> tuple[tuple[int, int] | None, list[Finding]]:
    values: list[tuple[Any, Any]] = [(i.get("width"), i.get("height")) for i in images]
    said = [value for value in values if value != (None, None)]
    if not said:
        return None, []
    good = [(w, h) for w, h in said if _is_size(w) and _is_size(h)]
    most_common: tuple[int, int] | None = Counter(good).most_common(1)[0][0] if good else None
    odd = [value for value in said if value != most_common]
    if not odd:
        return most_common, []
    found = f"width and height are {odd[0][0]}x{odd[0][1]} in one image"
    if most_common:
        found += f" and {most_common[0]}x{most_common[1]} in others"
    mend = "write the size of the frames on disk into every image"
    return most_common, [Finding("size-entry", source, found, mend, count=len(odd))]


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _check_flags(images: list[dict[str, Any]], people: Counter[int], source: str) -> list[Finding]:
    odd = [i["file_name"] for i in images if i.get("is_labeled") is False and people[i["id"]]]
    if not odd:
        return []
    found = f"{odd[0]} has annotated people but is_labeled is false"
    mend = "the people count; the flag is not read"
    return [Finding("annotation-entry", source, found, mend, level="note", count=len(odd))]
