"""Labels that sleap-io reads: SLEAP, Ultralytics YOLO pose, Label Studio.

sleap-io and what it needs are large (300 MB), so it is the optional extra `labels`; the forms with
readers in this folder do without. Instances that a model predicted are not labels and are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dcpose.formats.labels.labels import (
    VISIBLE,
    LabelledFrame,
    LabelledPerson,
    LabelledVideo,
    Labels,
    is_point,
    numbered,
)

LOADERS = {"sleap": "load_slp", "yolo": "load_ultralytics", "label-studio": "load_labelstudio"}
"""Function of sleap-io by form."""


def read_through_sleap_io(source: Path, form: str) -> Labels:
    """Read labels of one of the forms of `LOADERS`.

    Raises:
        ValueError: if sleap-io is not installed, or cannot read the source.
    """
    try:
        import sleap_io
    except ImportError as error:
        raise ValueError(
            f"{source}: labels of {form} are read by sleap-io ({error}); install it with "
            "pip install 'dcpose[labels]'"
        ) from None
    load: Callable[[str], Any] = getattr(sleap_io, LOADERS[form])
    try:
        loaded = load(str(source))
    except Exception as error:
        text = " ".join(str(error).split())[:300] or type(error).__name__
        raise ValueError(f"{source}: sleap-io cannot read it as {form} ({text})") from error
    return from_sleap_io(loaded, source)


def from_sleap_io(loaded: Any, source: Path) -> Labels:  # noqa: ANN401 - sleap_io.Labels
    """Turn what sleap-io gives into labels.

    Args:
        loaded: `sleap_io.Labels`; joints go by name, over all its skeletons.
        source: where it is from; files that it names are looked for there, too.

    Raises:
        ValueError: if nothing is labelled.
    """
    names = tuple(dict.fromkeys(node for s in loaded.skeletons for node in s.node_names))
    limbs = tuple(
        dict.fromkeys(
            (e.source.name, e.destination.name) for s in loaded.skeletons for e in s.edges
        )
    )
    left_out = Counter[str]()
    tracks = {id(track): number for number, track in enumerate(loaded.tracks)}
    notes: list[str] = []
    videos = []
    for number, video in enumerate(loaded.videos):
        frames = [frame for frame in loaded.labeled_frames if frame.video is video]
        people = [_people(frame, names, tracks, left_out) for frame in frames]
        labelled = [(f, p) for f, p in zip(frames, people, strict=True) if p or not f.instances]
        left_out["frames with predictions alone"] += len(frames) - len(labelled)
        if labelled:
            videos.append(_video(video, number, labelled, source, notes))
    if not videos or not names:
        raise ValueError(f"{source}: no labelled frame; predictions of a model are not labels")
    return Labels(source, names, tuple(videos), limbs, +left_out, tuple(notes))


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
        track_id = tracks.get(id(instance.track)) if instance.track is not None else None
        taken = {other.track_id for other in people}
        if track_id is None or track_id in taken:
            free = len(tracks)
            track_id = next(n for n in range(free, free + len(taken) + 1) if n not in taken)
        people.append(LabelledPerson(joints, track_id))
    return tuple(people)


def _video(
    video: Any,  # noqa: ANN401 - sleap_io.Video
    number: int,
    labelled: list[tuple[Any, tuple[LabelledPerson, ...]]],
    source: Path,
    notes: list[str],
) -> LabelledVideo:
    """Return a video; one that is a list of images has the numbers of their names."""
    filename = video.filename
    if isinstance(filename, list | tuple):
        names = [str(filename[frame.frame_idx]) for frame, _ in labelled]
        name = Path(names[0]).parent.name or f"video_{number}"
        numbers, from_names = numbered(names)
        if not from_names:
            notes.append(f"{name}: images have no numbers, frames count in their order")
        images = [_find(Path(image), source) for image in names]
    else:
        name = Path(str(filename)).stem
        numbers = [int(frame.frame_idx) for frame, _ in labelled]
        images = [None] * len(labelled)
    frames = [
        LabelledFrame(index, people, image)
        for index, (_, people), image in zip(numbers, labelled, images, strict=True)
    ]
    file = None if isinstance(filename, list | tuple) else _find(Path(str(filename)), source)
    return LabelledVideo(name, tuple(sorted(frames, key=lambda f: f.number)), file)


def _find(path: Path, source: Path) -> Path | None:
    folder = source if source.is_dir() else source.parent
    for place in (path, folder / path, folder / path.name):
        if place.is_file():
            return place
    return None
