"""Where the files of a data set lie, and how its splits fit together and to what was published."""

import contextlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from dcpose.check.annotations import AnnotationFacts
from dcpose.files.listing import list_folder
from dcpose.formats.findings import Finding, Level
from dcpose.formats.posetrack.folders import MANIFEST
from dcpose.formats.posetrack.images import ImagePlace
from dcpose.formats.posetrack.records import FRAME_DIGITS

Facts = Mapping[str, Sequence[AnnotationFacts]]
"""Facts of the annotation files of each split."""


@dataclass(frozen=True)
class SplitFiles:
    """Where a split lies.

    Attributes:
        split: train, val or test.
        annotations: folder of per-video annotation files, or one file of all videos.
        detections: file of person boxes; None if annotated boxes are used.
        images: folder in place of the `images` that image names begin with; None takes the names
            as they are.
    """

    split: str
    annotations: Path
    detections: Path | None = None
    images: str | None = None

    @property
    def sources(self) -> list[Path]:
        """The annotation files, as far as they are there."""
        if self.annotations.is_file():
            return [self.annotations]
        return list_folder(self.annotations, ".json")


@dataclass(frozen=True)
class Published:
    """Size of the val labels of a release."""

    name: str
    videos: int
    labelled_frames: int | None


PUBLISHED_VAL = {
    "posetrack18": (
        Published("PoseTrack18 v0.2", 74, 3902),
        Published("PoseTrack18 v0.45", 170, 8923),
    ),
    "posetrack17": (Published("PoseTrack17", 50, None),),
}
"""Val sizes by layout; AP measured on different versions cannot be compared."""

_LISTED_PER_FOLDER = 8
_SEARCHED_FOLDERS = 300


def check_folders(root: Path, splits: Sequence[SplitFiles]) -> list[Finding]:
    """Look for the annotation folder of every split; a test split may be absent."""
    findings = []
    for files in splits:
        folder = files.annotations
        fault = _folder_fault(folder)
        if fault is None:
            continue
        key = f"data.{files.split}_annotations"
        mend = f"put the annotation files there, or set {key}, relative to data.root"
        for other in _folders(root, depth=3):
            if other.name == folder.name and other != folder and list_folder(other, ".json"):
                mend = f"set {key}={os.path.relpath(other, root)}"
                break
        level: Level = "note" if files.split == "test" else "problem"
        if files.split != "test":
            mend += (
                f"; to check the other splits alone, name them with --splits (not {files.split})"
            )
        findings.append(Finding("layout", str(folder), fault, mend, level=level))
    return findings


def _folder_fault(folder: Path) -> str | None:
    if folder.is_symlink() and not folder.exists():
        return f"a dead link, to {os.readlink(folder)}"
    if not folder.exists():
        return "no such folder, expected one .json per video"
    if folder.is_file():
        return None
    return None if list_folder(folder, ".json") else "a folder without .json files"


def _folders(root: Path, depth: int) -> Iterator[Path]:
    """Yield folders under the root, nearest first; not all of them where there are many."""
    level = [root]
    for _ in range(depth):
        below: list[Path] = []
        for folder in level:
            with contextlib.suppress(OSError):
                below += [child for child in list_folder(folder) if child.is_dir()]
        level = below[:_SEARCHED_FOLDERS]
        yield from level


def describe_tree(root: Path, splits: Sequence[SplitFiles]) -> str:
    """Return the expected and the found folders as text of several lines."""
    lines = ["expected:", f"  {root}/"]
    for files in splits:
        path = os.path.relpath(files.annotations, root)
        lines.append(f"    {path}" if path.endswith(".json") else f"    {path}/<video>.json")
    images = {files.images or "images" for files in splits}
    lines += [
        f"    {folder}/.../<video>/<frame>.jpg   (see file_name)" for folder in sorted(images)
    ]
    lines += [
        f"    {os.path.relpath(files.detections, root)}" for files in splits if files.detections
    ]
    return "\n".join([*lines, "found:", f"  {root}/", *_found_lines(root, "    ", depth=3)])


def _found_lines(folder: Path, indent: str, depth: int) -> list[str]:
    try:
        entries = list_folder(folder)
    except OSError as error:
        return [f"{indent}({error.strerror})"]
    folders = [entry for entry in entries if entry.is_dir() or entry.is_symlink()]
    lines = []
    for entry in folders[:_LISTED_PER_FOLDER]:
        link = f" -> {os.readlink(entry)}" if entry.is_symlink() else ""
        dead = " (dead link)" if not entry.exists() else ""
        lines.append(f"{indent}{entry.name}/{link}{dead}")
        if depth > 1 and not dead:
            lines += _found_lines(entry, indent + "  ", depth - 1)
    if len(folders) > _LISTED_PER_FOLDER:
        lines.append(f"{indent}... {len(folders) - _LISTED_PER_FOLDER} more folders")
    kinds = Counter(entry.suffix or "no extension" for entry in entries if entry not in folders)
    lines += [f"{indent}{count} files ({suffix})" for suffix, count in sorted(kinds.items())]
    return lines or [f"{indent}(empty)"]


def check_splits(facts: Facts, folders: Mapping[str, Path]) -> list[Finding]:
    """Check how the videos of the splits fit together.

    Args:
        facts: facts by split.
        folders: annotation folder by split, for messages.
    """
    findings: list[Finding] = []
    for split, videos in facts.items():
        findings += _check_shared_ids(videos, folders[split])
        findings += _check_foreign_images(split, videos)
        readable = bool(videos) and all(video.frames for video in videos)
        if split != "test" and readable and not any(video.labelled for video in videos):
            found = f"nobody is annotated in {len(videos)} files"
            mend = "are these the files of a test split? Fetch the annotations of this one"
            findings.append(Finding("no-people", str(folders[split]), found, mend))
    findings += _check_heads([video for videos in facts.values() for video in videos])
    if "train" in facts and "val" in facts:
        findings += _check_overlap(facts["train"], facts["val"])
    return findings


def _video_folder(facts: AnnotationFacts) -> str:
    return PurePosixPath(facts.frames[0].file_name).parent.name if facts.frames else facts.name


def _check_heads(videos: Sequence[AnnotationFacts]) -> list[Finding]:
    """Judge files in which nobody has a head box: right if all are so, else AP cannot be counted.

    The findings of the files say who; these say whether it matters.
    """
    without = [f for video in videos for f in video.findings if f.code == "no-head-boxes"]
    if not without or len(without) < sum(bool(video.labelled) for video in videos):
        return without
    found = "nobody has a head box"
    mend = "nothing to do: val measures pixel errors and PCK in place of AP"
    count = sum(finding.count for finding in without)
    return [Finding("no-head-boxes", without[0].where, found, mend, level="note", count=count)]


def _check_overlap(
    train: Sequence[AnnotationFacts], val: Sequence[AnnotationFacts]
) -> Iterator[Finding]:
    train_names = {_video_folder(video): video for video in train}
    train_names |= {video.name: video for video in train}
    for video in val:
        twin = train_names.get(video.name) or train_names.get(_video_folder(video))
        if twin is None:
            continue
        names, others = ({frame.file_name for frame in v.labelled} for v in (video, twin))
        found = f"the same video is in train, as {twin.source}"
        mend = "remove it from one of them: AP on training videos means nothing"
        level: Level = "problem"
        if names and others and not names & others:
            found = f"other frames of the same video are in train, as {twin.source}"
            mend = "validate on a video of its own if you can: it tells what a new one will give"
            level = "note"
        yield Finding("split-overlap", video.source, found, mend, level=level)


def _check_shared_ids(videos: Sequence[AnnotationFacts], folder: Path) -> Iterator[Finding]:
    owner: dict[int, str] = {}
    shared: list[tuple[int, str, str]] = []
    for video in videos:
        for image_id in {frame.image_id for frame in video.frames}:
            if owner.setdefault(image_id, video.name) != video.name:
                shared.append((image_id, owner[image_id], video.name))
    if shared:
        image_id, one, other = shared[0]
        found = f"{one}.json and {other}.json share image id {image_id}"
        mend = "give every image of the data set its own id: detections refer to it"
        yield Finding("image-id-shared", str(folder), found, mend, count=len(shared))


def _check_foreign_images(split: str, videos: Sequence[AnnotationFacts]) -> Iterator[Finding]:
    other = {"train": "val", "val": "train"}.get(split)
    for video in videos:
        parts = PurePosixPath(video.frames[0].file_name).parts[:-2] if video.frames else ()
        if other in parts:
            found = f"annotations of {split} name images of {other} ({video.frames[0].file_name})"
            mend = f"move the file to the annotations of {other}, or correct file_name"
            yield Finding("wrong-split", video.source, found, mend)


def check_unannotated(facts: Facts, places: Mapping[str, ImagePlace]) -> Iterator[Finding]:
    """Note folders of frames beside those of the annotated videos that no annotation names.

    Args:
        facts: facts by split.
        places: where the frames of each split lie.
    """
    named: dict[Path, set[str]] = {}
    for split, videos in facts.items():
        for video in (video for video in videos if video.frames):
            folder = places[split].of(PurePosixPath(video.frames[0].file_name).parent)
            named.setdefault(folder.parent, set()).add(folder.name)
    for place, names in named.items():
        on_disk = [entry.name for entry in list_folder(place) if entry.is_dir()]
        bare = [name for name in on_disk if name not in names]
        if bare:
            found = f"frames on disk, but no annotation file names video {bare[0]}"
            mend = "is its annotation file missing? Without one the video is not used"
            where = str(place / bare[0])
            yield Finding("unannotated-video", where, found, mend, level="note", count=len(bare))


def check_digits(layout: str, facts: Facts) -> Iterator[Finding]:
    """Check that frames are named as the layout has them."""
    digits = FRAME_DIGITS[layout]
    for videos in facts.values():
        odd = [video for video in videos if video.frames and video.digits != digits]
        if odd:
            others = [name for name, count in FRAME_DIGITS.items() if count == odd[0].digits]
            found = (
                f"names frames by {odd[0].digits} digits ({odd[0].frames[0].file_name}), "
                f"while those of {layout} have {digits}"
            )
            mend = f"set data.layout={' or '.join(others)}"
            yield Finding("frame-name", odd[0].source, found, mend, count=len(odd))


def check_counts(
    root: Path, layout: str, facts: Facts, folders: Mapping[str, Path]
) -> tuple[str, list[Finding]]:
    """Compare videos and labelled frames with what was published, or generated.

    Returns:
        What the labels were recognised as, in words, and findings.
    """
    manifest = _manifest(root)
    if manifest is not None:
        return f"rendered, {MANIFEST}", list(_compare_with_manifest(manifest, facts, folders))
    if not facts.get("val"):
        return "not recognised: no val annotations", []
    videos, frames = len(facts["val"]), sum(len(video.labelled) for video in facts["val"])
    published = PUBLISHED_VAL.get(layout, ())
    for release in published:
        if release.videos != videos:
            continue
        if release.labelled_frames in (None, frames):
            return f"{release.name} ({videos} val videos, {frames:,} labelled frames)", []
        found = (
            f"{videos} val videos as in {release.name}, but {frames:,} labelled frames instead of "
            f"{release.labelled_frames:,}"
        )
        mend = "fetch the annotations again: files are cut short, edited or of mixed versions"
        return f"like {release.name}", [Finding("counts", str(folders["val"]), found, mend)]
    if not published:
        return f"{layout}, of no known version: {videos} val videos, {frames:,} labelled frames", []
    known = " or ".join(
        f"{r.videos} in {r.name}" + (f" ({r.labelled_frames:,})" if r.labelled_frames else "")
        for r in published
    )
    text = f"not recognised: {videos} val videos ({frames:,} labelled frames)"
    found = f"{videos} val videos ({frames:,} labelled frames), while there are {known}"
    mend = "AP on this part cannot be compared with published results"
    return text, [Finding("counts", str(folders["val"]), found, mend, level="note")]


def _manifest(root: Path) -> dict[str, Any] | None:
    try:
        content = json.loads((root / MANIFEST).read_bytes())
        return content["parameters"] if isinstance(content["parameters"], dict) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _compare_with_manifest(
    parameters: dict[str, Any], facts: Facts, folders: Mapping[str, Path]
) -> Iterator[Finding]:
    for split, videos in facts.items():
        expected = parameters.get("train_videos" if split == "train" else "val_videos")
        if isinstance(expected, int) and len(videos) != expected:
            found = f"{len(videos)} annotation files, but {MANIFEST} counts {expected} videos"
            mend = "render into a new folder with scripts/make_synthetic_posetrack.py"
            yield Finding("counts", str(folders[split]), found, mend)
