"""One annotation file of a video, 2018 or 2017: what it says, and what breaks the form.

This is the one reader of such files. Training, validation and testing read strictly: the first
thing that breaks the form is an error. The check of a data set collects everything and goes on
with the entries that are well formed.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from dcpose.formats import fields
from dcpose.formats.findings import Findings
from dcpose.formats.posetrack.annolist import read_annolist
from dcpose.formats.posetrack.images import get_image_name
from dcpose.formats.posetrack.names import videos_of
from dcpose.skeleton import Skeleton

FIRST_FRAME_OF_DIGITS = {6: 0, 8: 1}
"""Number of the first frame by the digits of the file name: 2018 files, 2017 files."""


@dataclass(frozen=True, eq=False)
class ListedPerson:
    """A well-formed entry of a person, no crowd and of no other category.

    Attributes:
        where: what messages call the entry.
        entry: the entry in the words of the 2018 form.
        image_id: id of an image of the file.
        track_id: None if there is none.
        keypoints: (K, 3) x, y and 1 where labelled, else 0, in the order of the file.
        box_xywh: (4,) box; None if there is none.
    """

    where: str
    entry: dict[str, Any]
    image_id: int
    track_id: int | None
    keypoints: np.ndarray
    box_xywh: np.ndarray | None


@dataclass(eq=False)
class VideoFile:
    """What an annotation file says about a video; nothing that breaks the form is in here.

    Attributes:
        where: the file, and the video where it holds several; for messages.
        is_2017: whether it is in the form of 2017.
        images: entries of the images.
        image_places: what messages call each of them.
        numbers: number of the frame of each; -1 where its name is none.
        image_wh: (width, height) of the frames in pixels; None if the file does not say.
        first_frame: number of the first frame of the clip.
        num_frames: length of the clip in frames.
        keypoint_names: K names.
        people: P people.
        others: how many people are crowds or of another category, by reason.
    """

    where: str
    is_2017: bool = False
    images: list[dict[str, Any]] = field(default_factory=list)
    image_places: list[str] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    image_wh: tuple[int, int] | None = None
    first_frame: int = 0
    num_frames: int = 0
    keypoint_names: list[str] = field(default_factory=list)
    people: list[ListedPerson] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)


def parse_video_file(
    content: dict[str, Any], where: str, skeleton: Skeleton, findings: Findings
) -> VideoFile:
    """Read the content of an annotation file of one video.

    Args:
        content: the parsed file.
        where: what messages call it.
        skeleton: the joints that the file must name.
        findings: takes what breaks the form.

    Raises:
        ValueError: for the first thing that breaks the form, if the findings are strict.
    """
    file = VideoFile(where, is_2017="annolist" in content)
    entries: list[Any] = []
    people_at: list[str] = []
    with findings.of_entry("annotation-file", where, "fetch or convert the file again"):
        if file.is_2017:
            lists = read_annolist(content, where, "annotations", skeleton, needs_people=False)
            content, people_at = lists.in_2018_form(skeleton), lists.places
        entries = fields.get_list(content, "images", where)
        if not entries:
            raise ValueError(f"{where}: images is empty, expected at least one frame")
    if entries:
        _read_images(file, entries, findings)
        _read_sizes(file, findings)
        _read_clip(file, findings)
        if content.get("annotations"):
            _read_people(file, content, people_at, skeleton, findings)
    return file


def _read_images(file: VideoFile, entries: list[Any], findings: Findings) -> None:
    nameless = []
    for index, entry in enumerate(entries):
        place = f"{file.where}: {'annolist' if file.is_2017 else 'images'}[{index}]"
        with findings.of_entry("annotation-entry", place):
            image_id = fields.get_int(entry, "id", place)
            name = get_image_name(entry, "file_name", place)
            number = frame_number(name)
            file.images.append({**entry, "id": image_id})
            file.numbers.append(number)
            file.image_places.append(place)
            if number < 0:
                nameless.append((place, name))
    if nameless:
        place, name = nameless[0]
        found = (
            f"file_name {name!r} must be named by 6 digits (frames from 0) or 8 digits (frames "
            "from 1)"
        )
        mend = "name frames as in images/val/<video>/000000.jpg"
        findings.add("frame-name", place, found, mend, count=len(nameless))
    try:  # what the evaluation asks for, said before a training
        videos_of([(image["id"], image["file_name"]) for image in file.images])
    except ValueError as error:
        mend = "name frames as PoseTrack does, or give the images ids of their own"
        findings.add("frame-name", file.where, str(error), mend)
    paths = [PurePosixPath(image["file_name"]) for image in file.images]
    kinds = dict.fromkeys((path.parent, len(path.stem), path.suffix) for path in paths)
    if len(kinds) > 1:
        names = sorted(f"{folder}/{'0' * digits}{suffix}" for folder, digits, suffix in kinds)
        found = (
            "images of one file must share folder, digits and extension, found "
            f"{', '.join(names[:3])}"
        )
        mend = "a file of all videos is named itself, not its folder"
        findings.add("frame-name", file.where, found, mend)
    ids = Counter(image["id"] for image in file.images)
    numbers = Counter(number for number in file.numbers if number >= 0)
    for what, counts in (("id", ids), ("frame number", numbers)):
        repeated = [value for value, count in counts.items() if count > 1]
        if repeated:
            times = counts[repeated[0]]
            found = f"image {what} {repeated[0]} occurs {times} times, expected once"
            mend = "list every frame once, each with its own id"
            findings.add("frame-repeated", file.where, found, mend, count=len(repeated))


def frame_number(file_name: str) -> int:
    """Return the number of a frame by its name, -1 if the name is none."""
    stem = PurePosixPath(file_name).stem
    return int(stem) if re.fullmatch("[0-9]{6}|[0-9]{8}", stem) else -1


def _read_sizes(file: VideoFile, findings: Findings) -> None:
    sizes: Counter[tuple[int, int]] = Counter()
    for image, place in zip(file.images, file.image_places, strict=True):
        if image.get("width") is None and image.get("height") is None:
            continue
        with findings.of_entry("size-entry", place):
            size = fields.get_int(image, "width", place), fields.get_int(image, "height", place)
            if min(size) <= 0:
                raise ValueError(f"{place}: width and height must be positive, found {size}")
            sizes[size] += 1
    file.image_wh = sizes.most_common(1)[0][0] if sizes else None
    if len(sizes) > 1:
        found = f"width and height differ between images: {sorted(sizes)[:3]}"
        mend = "write the size of the frames on disk into every image"
        findings.add("size-entry", file.where, found, mend)


def _read_clip(file: VideoFile, findings: Findings) -> None:
    numbers = [number for number in file.numbers if number >= 0]
    if file.is_2017:
        file.first_frame = min(numbers, default=0)
        file.num_frames = max(numbers, default=-1) - file.first_frame + 1
        return
    stems = [len(PurePosixPath(image["file_name"]).stem) for image in file.images]
    file.first_frame = min((FIRST_FRAME_OF_DIGITS.get(stem, 0) for stem in stems), default=0)
    mend = "set nframes of every image to the length of the clip in frames"
    lengths = set()
    for image, place in zip(file.images, file.image_places, strict=True):
        if image.get("nframes") is not None:
            with findings.of_entry("clip-length", place, mend):
                lengths.add(fields.get_int(image, "nframes", place))
    file.num_frames = max(lengths, default=len(file.images))
    if len(lengths) > 1:
        found = f"nframes differs between images: {sorted(lengths)[:5]}"
        findings.add("clip-length", file.where, found, mend)
        return
    last = file.first_frame + file.num_frames - 1
    beyond = [
        image["file_name"]
        for image, number in zip(file.images, file.numbers, strict=True)
        if number >= 0 and not file.first_frame <= number <= last
    ]
    if beyond:
        found = (
            f"{beyond[0]} is not in the clip of {file.num_frames} frames (numbers "
            f"{file.first_frame} to {last})"
        )
        findings.add("clip-length", file.where, found, mend, count=len(beyond))


def _read_people(
    file: VideoFile,
    content: dict[str, Any],
    places: list[str],
    skeleton: Skeleton,
    findings: Findings,
) -> None:
    entries: list[Any] = []
    with findings.of_entry("annotation-entry", file.where, "correct the file"):
        entries = fields.get_list(content, "annotations", file.where)
    file.keypoint_names = _keypoint_names(content, file.where, skeleton, findings)
    ids = {image["id"] for image in file.images}
    unknown = []
    for index, entry in enumerate(entries):
        place = places[index] if places else f"{file.where}: annotations[{index}]"
        with findings.of_entry("annotation-entry", place):
            image_id = fields.get_int(entry, "image_id", place)
            if image_id not in ids:
                unknown.append((place, image_id))
            elif entry.get("category_id", 1) != 1:
                file.others["category other than person"] += 1
            elif entry.get("iscrowd"):
                file.others["crowd"] += 1
            else:
                file.people.append(_person(file, entry, image_id, place))
    if unknown:
        place, image_id = unknown[0]
        found = f"image_id {image_id} is not the id of any image"
        mend = "correct image_id, or remove the annotation"
        findings.add("unknown-image", place, found, mend, count=len(unknown))


def _keypoint_names(
    content: dict[str, Any], where: str, skeleton: Skeleton, findings: Findings
) -> list[str]:
    """Return the names of the file's keypoints; none if they are unknown."""
    names: list[str] = []
    place = f"{where}: categories"
    mend = f"list the keypoints by name, in any order: {', '.join(skeleton.joint_names)}"
    with findings.of_entry("keypoint-names", place, mend):
        categories = fields.get_list(content, "categories", where)
        people = [c for c in categories if not isinstance(c, dict) or c.get("id", 1) == 1]
        if len(people) != 1:
            raise ValueError(f"{place}: expected one with id 1 (person), found {len(people)}")
        names = [str(name) for name in fields.get_list(people[0], "keypoints", place)]
        expected = [name for name in skeleton.joint_names if name not in skeleton.unlabelled]
        if missing := [name for name in expected if name not in names]:
            raise ValueError(f"{place}: keypoints lack {', '.join(missing)}")
        if repeated := [name for name in skeleton.joint_names if names.count(name) > 1]:
            raise ValueError(f"{place}: keypoints name {repeated[0]} twice")
    return names


def _person(file: VideoFile, entry: dict[str, Any], image_id: int, where: str) -> ListedPerson:
    names = file.keypoint_names
    keypoints = np.zeros((len(names), 3))
    if entry.get("keypoints") is not None and names:
        keypoints = fields.get_numbers(entry, "keypoints", 3 * len(names), where).reshape(-1, 3)
        # every point that a 2017 file lists is labelled: the evaluation counts it, too
        labelled = keypoints.any(axis=1) if file.is_2017 else keypoints[:, 2] > 0
        keypoints[:, 2] = labelled
    has_box = entry.get("bbox") is not None
    has_track = entry.get("track_id") is not None
    return ListedPerson(
        where=where,
        entry=entry,
        image_id=image_id,
        track_id=fields.get_int(entry, "track_id", where) if has_track else None,
        keypoints=keypoints,
        box_xywh=fields.get_numbers(entry, "bbox", 4, where) if has_box else None,
    )
