"""From the labels of another tool to a data set that trains: frames, split, skeleton, configs."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from dcpose.files.writing import write_text
from dcpose.formats.labels.labels import LabelledVideo, Labels, numbered
from dcpose.formats.labels.reading import read_labels
from dcpose.formats.labels.split import split_labels
from dcpose.formats.labels.symmetry import guess_flip_pairs, mirrored_names
from dcpose.formats.labels.writing import (
    annotation_file,
    folder_name,
    new_numbers,
    skeleton_content,
)
from dcpose.formats.posetrack.predictions import write_json
from dcpose.jobs.import_configs import dcpose_config, first_config
from dcpose.video.frame_export import export_frames
from dcpose.video.images import IMAGE_SUFFIXES


@dataclass(frozen=True)
class Imported:
    """What was written, and what was not.

    Attributes:
        form: of the labels.
        lines: the report.
        configs: of the first stage, a single frame, and of DCPose on it.
    """

    form: str
    lines: tuple[str, ...]
    configs: tuple[Path, Path]


def import_labels(
    source: Path,
    out: Path,
    form: str | None = None,
    val_share: float = 0.2,
    reach: int = 2,
) -> Imported:
    """Write images/, annotations/{train,val}/, skeleton.yaml, config.yaml, dcpose.yaml, import.md.

    Args:
        source: labels of another tool, see `read_labels`.
        out: folder, new or empty.
        form: what the labels are; None looks at the content.
        val_share: part of the labelled frames to validate on.
        reach: frames before and after each labelled one that are brought along, as far as the
            source has them.

    Raises:
        ValueError: if the labels cannot be used, or the folder holds something already.
        VideoError: if an image or a video cannot be read.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out}: holds something already; choose a new folder")
    if reach < 0:
        raise ValueError(f"--neighbors: found {reach}, expected 0 or more")
    labels, form = read_labels(source, form)
    labels = _usable(labels)
    train, val, how = split_labels(labels.videos, val_share)
    try:
        counts = _write_videos(labels, train, val, out, reach)
        name = out.resolve().name
        skeleton = skeleton_content(name, labels.joint_names, labels.limbs)
        _write_yaml(out / "skeleton.yaml", skeleton, "flip_pairs are guessed from names of joints")
        configs = _write_configs(out, labels, train)
        lines = _report(labels, form, train, val, how, counts)
        write_text(out / "import.md", "\n".join(f"- {line}" for line in lines) + "\n")
    except BaseException:  # half a data set would look like a whole one
        shutil.rmtree(out, ignore_errors=True)
        raise
    return Imported(form, tuple(lines), configs)


def _write_videos(
    labels: Labels,
    train: Sequence[LabelledVideo],
    val: Sequence[LabelledVideo],
    out: Path,
    reach: int,
) -> Counter[str]:
    """Write frames and annotations of all videos; return what was counted, for the report."""
    counts = Counter[str]()
    for index, video in enumerate(labels.videos):
        parts = {
            split: part
            for split, videos in (("train", train), ("val", val))
            for part in videos
            if part.name == video.name
        }
        _write_video(labels, index, video, parts, out, reach, counts)
    return counts


def _usable(labels: Labels) -> Labels:
    """Return the labels without frames that nobody is in or no picture is found for."""
    left_out = Counter(labels.left_out)
    videos = []
    names = Counter[str]()
    for video in labels.videos:
        frames = [frame for frame in video.frames if frame.people]
        left_out["frames with nobody, which may be unlabelled"] += len(video.frames) - len(frames)
        if video.file is None:
            pictured = [frame for frame in frames if frame.image is not None]
            left_out["labelled frames without an image or video"] += len(frames) - len(pictured)
            frames = pictured
        if frames:
            names[video.name] += 1
            repeat = f"-{names[video.name]}" if names[video.name] > 1 else ""
            videos.append(replace(video, frames=tuple(frames), name=video.name + repeat))
    if not videos:
        what = ", ".join(f"{count} {reason}" for reason, count in sorted((+left_out).items()))
        raise ValueError(
            f"{labels.source}: no labelled frame can be used ({what or 'it has none'}); put the "
            "images or the video beside the labels"
        )
    return replace(labels, videos=tuple(videos), left_out=+left_out)


def _write_video(
    labels: Labels,
    index: int,
    video: LabelledVideo,
    parts: dict[str, LabelledVideo],
    out: Path,
    reach: int,
    counts: Counter[str],
) -> None:
    """Write the frames of a video and an annotation file for each split that has some of them."""
    folder = folder_name(index, video.name)
    labelled = {frame.number for frame in video.frames}
    near = {n + d for n in labelled for d in range(-reach, reach + 1) if n + d >= 0}
    place = out / "images" / folder
    exported = export_frames(place, _images_around(video), video.file, near, reach)
    if missing := labelled - exported.files.keys():
        raise ValueError(
            f"{video.file}: has no frame {min(missing)}, which is labelled; is it the same video?"
        )
    numbers = new_numbers(exported.files)
    # new numbers are never larger, so going upwards nothing is overwritten
    for number, file in sorted(exported.files.items()):
        os.replace(file, place / f"{numbers[number]:06d}.jpg")
    for split, part in parts.items():
        content = annotation_file(
            part, index, folder, labels.joint_names, labels.limbs, numbers, exported.image_wh
        )
        path = out / "annotations" / split / f"{folder}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, content)
    counts["neighbours"] += len(exported.files) - len(labelled)
    counts["lacking"] += len(near) - len(exported.files)
    counts["strangers"] += len(exported.strangers)


def _images_around(video: LabelledVideo) -> dict[int, Path]:
    """Return the images of labelled frames, and those beside them that are numbered alike."""
    own = {frame.number: frame.image for frame in video.frames if frame.image is not None}
    if not own:
        return {}
    folder = next(iter(own.values())).parent
    beside = [path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES]
    numbers, from_names = numbered([path.name for path in beside])
    found = dict(zip(numbers, beside, strict=True))
    if not from_names or any(found.get(number) != path for number, path in own.items()):
        return own
    return {**found, **own}


def _write_configs(out: Path, labels: Labels, train: Sequence[LabelledVideo]) -> tuple[Path, Path]:
    """Write the configs of both stages, which name the folder from the root of the disk."""
    clips = sum(len(frame.people) for video in train for frame in video.frames)
    people = [p for video in train for frame in video.frames for p in frame.people]
    first = first_config(out.resolve(), labels.joint_names, people, clips)
    paths = out / "config.yaml", out / "dcpose.yaml"
    _write_yaml(
        paths[0],
        first,
        "Stage one, the network that looks at one frame: small enough for a CPU. With a GPU, take "
        "a larger\n# backbone and weights to start from (docs/own_data.md).",
    )
    _write_yaml(
        paths[1],
        dcpose_config(first),
        "Stage two, DCPose on the frozen network of config.yaml; name its weights on the command "
        "line:\n# model.backbone.weights=runs/.../checkpoints/best.pt",
    )
    return paths


def _write_yaml(path: Path, content: object, head: str) -> None:
    text = yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=100)
    write_text(path, f"# {head}\n{text}")


def _report(
    labels: Labels,
    form: str,
    train: Sequence[LabelledVideo],
    val: Sequence[LabelledVideo],
    how: str,
    counts: Counter[str],
) -> list[str]:
    """Return what was done, in lines."""
    frames = sum(len(video.frames) for video in labels.videos)
    people = sum(len(frame.people) for video in labels.videos for frame in video.frames)
    pairs = guess_flip_pairs(labels.joint_names)
    paired = {name for pair in pairs for name in pair}
    odd = [n for n in labels.joint_names if n not in paired and mirrored_names(n)]
    lines = [
        f"{labels.source} ({form}): {len(labels.videos)} videos, {frames} labelled frames, "
        f"{people} people",
        f"joints: {', '.join(labels.joint_names)}",
        "pairs that change places in a mirror, guessed from names: "
        + (", ".join(f"{a} and {b}" for a, b in pairs) or "none, so crops are not mirrored"),
        f"split {how}: {_frames(train)} frames to train on, {_frames(val)} to validate on",
        f"unlabelled neighbours brought along: {counts['neighbours']}; not in the source: "
        f"{counts['lacking']}",
    ]
    if odd:
        lines.append(f"no other side found for {', '.join(odd)}: correct skeleton.yaml")
    if counts["strangers"]:
        lines.append(
            f"{counts['strangers']} labelled images are not the video's frame of that number: they "
            "are used without neighbours"
        )
    if not any(p.box_xywh is not None for v in labels.videos for f in v.frames for p in f.people):
        lines.append("there are no boxes: they are 1.3 times the extent of the labelled joints")
    lines += labels.notes
    lines += [f"left out: {count} {reason}" for reason, count in sorted(labels.left_out.items())]
    return lines


def _frames(videos: Sequence[LabelledVideo]) -> int:
    return sum(len(video.frames) for video in videos)
