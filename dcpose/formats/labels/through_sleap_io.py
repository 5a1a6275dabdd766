"""Labels that sleap-io reads: SLEAP, Ultralytics YOLO pose, Label Studio.

sleap-io and what it needs are large (300 MB), so it is the optional extra `labels`; the forms with
readers in this folder do without. Instances that a model predicted are not labels and are left out.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dcpose.files.packages import require
from dcpose.formats.labels.labels import (
    VISIBLE,
    LabelledFrame,
    LabelledPerson,
    LabelledVideo,
    Labels,
    first_file,
    frames_of_images,
    is_point,
)

YOLO_SPLITS = ("train", "val", "test")


@dataclass(eq=False)
class _Frames:
    """Labelled frames of a video, or images of one folder."""

    name: str
    file: Path | None
    images: list[str] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    people: list[tuple[LabelledPerson, ...]] = field(default_factory=list)


def read_through_sleap_io(source: Path, form: str) -> Labels:
    """Read labels of SLEAP (`sleap`), Ultralytics (`yolo`) or Label Studio (`label-studio`).

    Raises:
        ValueError: if sleap-io is not installed, or cannot read the source.
    """
    sleap_io = require("sleap_io", f"{source}: reading labels of {form}")
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "Invalid")  # else it leaves the line out
            if form == "sleap":
                loaded = [sleap_io.load_slp(str(source), open_videos=False)]
            elif form == "label-studio":
                loaded = [sleap_io.load_labelstudio(str(source))]
            else:
                folders = [split for split in YOLO_SPLITS if _has_split(source, split)]
                loaded = [sleap_io.load_ultralytics(str(source), split=split) for split in folders]
    except Exception as error:
        text = " ".join(str(error).split())[:300] or type(error).__name__
        raise ValueError(f"{source}: sleap-io cannot read it as {form} ({text})") from error
    return from_sleap_io(loaded, source)


def _has_split(source: Path, split: str) -> bool:
    return any((source / a / b).is_dir() for a, b in ((split, "labels"), ("labels", split)))


def from_sleap_io(loaded: Sequence[Any], source: Path) -> Labels:
    """Turn what sleap-io gives into labels.

    Args:
        loaded: `sleap_io.Labels`; joints go by name, over all their skeletons.
        source: where they are from; files that they name are looked for there, too.

    Raises:
        ValueError: if nothing is labelled.
    """
    skeletons = [skeleton for labels in loaded for skeleton in labels.skeletons]
    names = tuple(dict.fromkeys(node for skeleton in skeletons for node in skeleton.node_names))
    edges = [edge for skeleton in skeletons for edge in skeleton.edges]
    limbs = tuple(dict.fromkeys((edge.source.name, edge.destination.name) for edge in edges))
    left_out = Counter[str]()
    videos: dict[str, _Frames] = {}
    for labels in loaded:
        tracks = {id(track): number for number, track in enumerate(labels.tracks)}
        for frame in labels.labeled_frames:
            people = _people(frame, names, tracks, left_out)
            if people:
                _add(videos, frame, people, source)
            elif frame.instances:
                left_out["frames without a labelled joint"] += 1
    if not videos or not names:
        raise ValueError(f"{source}: no labelled frame; predictions of a model are not labels")
    notes: list[str] = []
    made = tuple(_video(video, source, notes) for video in videos.values())
    return Labels(source, names, made, limbs, +left_out, tuple(notes))


def _people(
    frame: Any,  # noqa: ANN401 - sleap_io.LabeledFrame
    names: tuple[str, ...],
    tracks: dict[int, int],
    left_out: Counter[str],
) -> tuple[LabelledPerson, ...]:
    people: list[LabelledPerson] = []
    for instance in frame.instances:
        # PredictedInstance is an Instance with a score
        if hasattr(instance, "score"):
            left_out["predicted instances"] += 1
            continue
        joints = np.zeros((len(names), 3))
        points = np.asarray(instance.numpy(), dtype=np.float64)
        for node, (x, y) in zip(instance.skeleton.node_names, points, strict=True):
            if is_point(x, y):
                joints[names.index(node)] = x, y, VISIBLE
        if not joints[:, 2].any():
            left_out["instances without a labelled joint"] += 1
            continue
        taken = {other.track_id for other in people}
        track_id = tracks.get(id(instance.track))
        if track_id is None or track_id in taken:
            track_id = next(n for n in range(len(tracks), 10**9) if n not in taken)
        people.append(LabelledPerson(joints, track_id))
    return tuple(people)


def _add(
    videos: dict[str, _Frames],
    frame: Any,  # noqa: ANN401 - sleap_io.LabeledFrame
    people: tuple[LabelledPerson, ...],
    source: Path,
) -> None:
    """Add a frame to its video; images belong to the video of their folder."""
    filename, index = frame.video.filename, int(frame.frame_idx)
    if isinstance(filename, list | tuple):
        image = Path(str(filename[index]))
        folder = image.parent
        name = folder.parent.name if folder.name in ("images", "") else folder.name
        video = videos.setdefault(str(folder), _Frames(name or source.stem, None))
        video.images.append(str(image))
    else:
        path = Path(str(filename))
        video = videos.setdefault(str(path), _Frames(path.stem, _find(path, source)))
        video.numbers.append(index)
    video.people.append(people)


def _video(video: _Frames, source: Path, notes: list[str]) -> LabelledVideo:
    if video.images:
        files = [_find(Path(image), source) for image in video.images]
        images = list(zip(video.images, video.people, files, strict=True))
        return LabelledVideo(video.name, frames_of_images(video.name, images, notes), video.file)
    frames = map(LabelledFrame, video.numbers, video.people)
    return LabelledVideo(video.name, tuple(sorted(frames, key=lambda f: f.number)), video.file)


def _find(path: Path, source: Path) -> Path | None:
    folder = source if source.is_dir() else source.parent
    return first_file([path, folder / path, folder / path.name])
