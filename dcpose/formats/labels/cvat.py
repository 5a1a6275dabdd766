"""Labels of CVAT: its XML, "CVAT for video 1.1" and "CVAT for images 1.1".

A person is a skeleton with named points, or, where single points were labelled, all points of a
frame together. In the form for video only key frames count: what CVAT put between them nobody has
looked at. Numbers of frames are those of the task, which are those of the video unless the task
skips frames (`start_frame`, `frame_filter`).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

import numpy as np

from dcpose.files.reading import read_bounded
from dcpose.formats.labels.labels import (
    HIDDEN,
    VISIBLE,
    LabelledFrame,
    LabelledPerson,
    LabelledVideo,
    Labels,
    first_file,
    is_point,
    videos_of_folders,
)
from dcpose.formats.posetrack.images import name_fault

MAX_BYTES = 2**30
"""Size of an XML file that is read at all."""

Joints = dict[str, tuple[float, float, int]]


@dataclass(eq=False)
class _Content:
    """What an XML file holds: people by frame, key points by name, and boxes of skeletons."""

    where: str
    people: dict[int, list[tuple[int, Joints]]] = field(default_factory=lambda: defaultdict(list))
    images: dict[int, str] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)


def read_cvat(source: Path) -> Labels:
    """Read an XML file of annotations.

    Raises:
        ValueError: if it is no XML of CVAT, or holds no points; the message names the place.
    """
    root = _parse(source)
    content = _Content(str(source))
    task_name, video_file, step = _meta(root, source)
    is_video = root.find("track") is not None
    if is_video:
        _read_tracks(root, content)
    _read_images(root, content)
    names = tuple(dict.fromkeys(name for p in content.people.values() for _, j in p for name in j))
    if not names:
        raise ValueError(
            f"{source}: no points and no skeletons, expected an export of CVAT for video 1.1 or "
            "CVAT for images 1.1 with labelled points"
        )
    notes = [] if step == 1 else [f"the task shows every {step}th frame of the video"]
    videos: Sequence[LabelledVideo]
    if not content.images:
        frames = [
            LabelledFrame(number * step, _people(people, names))
            for number, people in sorted(content.people.items())
        ]
        film = [] if video_file is None else [source.parent / video_file]
        videos = [LabelledVideo(task_name or source.stem, tuple(frames), first_file(film))]
    else:
        images = [
            (name, _people(content.people.get(number, ()), names))
            for number, name in content.images.items()
        ]
        places = source.parent, source.parent / "images"
        videos = videos_of_folders(images, source, places, notes)
    return Labels(source, names, tuple(videos), (), +content.left_out, tuple(notes))


def _parse(source: Path) -> ElementTree.Element:
    try:
        data = read_bounded(source, MAX_BYTES)
    except OSError as error:
        raise ValueError(f"{source}: cannot be read ({error.strerror})") from None
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise ValueError(f"{source}: declares a document type, which CVAT does not write")
    try:
        root = ElementTree.fromstring(data)  # noqa: S314 - without entities there is no bomb
    except ElementTree.ParseError as error:
        raise ValueError(f"{source}: no valid XML ({error}); export it again") from None
    if root.tag != "annotations":
        raise ValueError(f"{source}: begins with <{root.tag[:40]}>, expected CVAT's <annotations>")
    return root


def _meta(root: ElementTree.Element, source: Path) -> tuple[str | None, str | None, int]:
    """Return the name of the task, the file of its video and the step of its frames."""
    names = [root.findtext(f"meta/{kind}/name") for kind in ("task", "job", "project")]
    filters = [root.findtext(f"meta/{kind}/frame_filter") or "" for kind in ("task", "job")]
    steps = [int(match[1]) for text in filters if (match := re.search(r"step=(\d{1,6})", text))]
    starts = [root.findtext(f"meta/{kind}/start_frame") or "0" for kind in ("task", "job")]
    if any(start.strip() not in ("0", "") for start in starts):
        raise ValueError(
            f"{source}: meta: start_frame is {starts}, which shifts frame numbers against the "
            "video; export a task that starts at frame 0"
        )
    video = root.findtext("meta/source") or root.findtext("meta/task/source")
    file = PurePosixPath(video.replace("\\", "/")).name if video else None
    name = next((name for name in names if name), None)
    return name, file if file and name_fault(file) is None else None, max([1, *steps])


def _read_tracks(root: ElementTree.Element, content: _Content) -> None:
    """Add the key frames of all tracks; single points of a frame make one person."""
    loose: dict[int, Joints] = defaultdict(dict)
    for number, track in enumerate(root.iter("track")):
        for shape in track:
            if shape.tag not in ("skeleton", "points"):
                content.left_out[f"{shape.tag} of a track"] += 1
                continue
            where = f"{content.where}: track {track.get('id')}"
            frame = _whole(shape.get("frame"), f"{where}: frame")
            if shape.get("keyframe", "1") != "1":
                content.left_out["frames that CVAT filled in between key frames"] += 1
                continue
            if shape.get("outside", "0") == "1":
                continue
            if shape.tag == "skeleton":
                content.people[frame].append((number, _skeleton(shape, where, content.left_out)))
            else:
                loose[frame].update(_point(shape, track.get("label"), where, content.left_out))
    for frame, joints in loose.items():
        content.people[frame].append((0, joints))


def _read_images(root: ElementTree.Element, content: _Content) -> None:
    """Add the people of single images; loose points of an image make one person."""
    for image in root.iter("image"):
        where = f"{content.where}: image {image.get('id')}"
        number = _whole(image.get("id"), f"{where}: id")
        name = (image.get("name") or "").replace("\\", "/")
        if not name or name_fault(name) is not None:
            raise ValueError(f"{where}: name {name[:80]!a}, expected that of a file")
        content.images[number] = name
        loose: Joints = {}
        for order, shape in enumerate(image):
            if shape.tag == "skeleton":
                joints = _skeleton(shape, where, content.left_out)
                content.people[number].append((order, joints))
            elif shape.tag == "points":
                loose.update(_point(shape, shape.get("label"), where, content.left_out))
            elif shape.tag != "tag":
                content.left_out[f"{shape.tag} of an image"] += 1
        if loose:
            content.people[number].append((len(content.people[number]), loose))


def _skeleton(shape: ElementTree.Element, where: str, left_out: Counter[str]) -> Joints:
    joints: Joints = {}
    for point in shape.iter("points"):
        joints.update(_point(point, point.get("label"), where, left_out))
    return joints


def _point(
    shape: ElementTree.Element, label: str | None, where: str, left_out: Counter[str]
) -> Joints:
    """Return the joint of a `points` element; nothing where it is marked as outside."""
    if not label:
        raise ValueError(f"{where}: points without a label, expected the name of a joint")
    if shape.get("outside", "0") == "1":
        return {}
    text = shape.get("points", "")
    try:
        places = [tuple(map(float, place.split(","))) for place in text.split(";")]
    except ValueError:
        places = []
    if not places or any(len(place) != 2 for place in places):
        raise ValueError(f"{where}: points {text[:40]!r} of {label}, expected x,y")
    left_out["further places of a point with several"] += len(places) - 1
    x, y = places[0]
    if not is_point(x, y):
        left_out["points that no image has"] += 1
        return {}
    return {label: (x, y, HIDDEN if shape.get("occluded") == "1" else VISIBLE)}


def _people(
    found: Iterable[tuple[int, Joints]], names: tuple[str, ...]
) -> tuple[LabelledPerson, ...]:
    """Return the people of a frame that have a joint, each with an id of its own."""
    people = []
    taken: set[int] = set()
    for number, joints in found:
        if not joints:
            continue
        track_id = number if number not in taken else max(taken) + 1
        taken.add(track_id)
        values = np.array([joints.get(name, (0.0, 0.0, 0)) for name in names], dtype=np.float64)
        people.append(LabelledPerson(values, track_id))
    return tuple(people)


def _whole(text: str | None, where: str) -> int:
    if text is None or not re.fullmatch(r"\d{1,9}", text):
        raise ValueError(f"{where}: {text!r}, expected a whole number")
    return int(text)
