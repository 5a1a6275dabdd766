"""What is wrong with data sets that are read as they are published: Penn Action, Sub-JHMDB, COCO.

Their readers make videos of their files; what these list is compared with the frames on disk.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from dcpose.check.annotations import AnnotationFacts, ListedFrame
from dcpose.check.findings import Report
from dcpose.check.frames import NeighborNeeds, check_frames
from dcpose.check.run import cache_of, summarise
from dcpose.data.frame_file import inspect_frame
from dcpose.formats.findings import Finding, Findings
from dcpose.formats.posetrack.images import ImagePlace
from dcpose.formats.posetrack.records import VideoAnnotation

ReadSplit = Callable[[Findings], list[VideoAnnotation]]
"""Reads a split; what is wrong with single files goes to the findings."""


def check_other_set(
    root: Path,
    name: str,
    splits: Mapping[str, ReadSplit],
    needs: NeighborNeeds,
    cache_dir: Path | None = None,
) -> Report:
    """Check a data set and collect everything that is wrong with it.

    Args:
        root: folder of the data set.
        name: of the data set.
        splits: how each split is read.
        needs: which neighbours a run asks for.
        cache_dir: folder for what was found; None keeps nothing.

    Raises:
        ValueError: if the root is no folder.
    """
    if not root.is_dir():
        raise ValueError(f"data.root: no such folder: {root}; link the data set there")
    cache = cache_of(root, cache_dir)
    findings: list[Finding] = []
    summaries = []
    members: dict[str, set[str]] = {}
    for split, read in splits.items():
        collected = Findings(strict=False)
        try:
            videos = read(collected)
        except ValueError as error:
            mend = "fetch the data set again, or correct data.root"
            collected.add("annotation-file", str(root), str(error), mend)
            videos = []
        found = collected.found + [one for video in videos for one in _skipped(video)]
        usable = 0
        for video in videos:
            if video.files is None:
                of_frames, count = check_frames(_facts(video), ImagePlace(root, None), needs, cache)
            else:
                of_frames, count = _check_images(video)
            found += of_frames
            usable += count
        if videos and not any(video.people for video in videos):
            mend = "fetch the labels again"
            found.append(Finding("no-people", str(root), f"nobody is labelled in {split}", mend))
        members[split] = {video.name for video in videos if video.files is None}
        summaries.append(summarise(split, [_facts(video) for video in videos], usable, None))
        findings += found
    findings += _overlap(members, root)
    cache.save()
    return Report(str(root), name, summaries, list(dict.fromkeys(findings)))


def _facts(video: VideoAnnotation) -> AnnotationFacts:
    people = Counter(person.frame for person in video.people)
    frames = [
        ListedFrame(image["file_name"], number, image["id"], people[number], [])
        for image, number in zip(video.images, video.frame_numbers, strict=True)
    ]
    return AnnotationFacts(
        name=video.name,
        source=str(video.source),
        frames=frames,
        first_frame=video.first_frame,
        num_frames=video.num_frames,
        image_wh=video.image_wh,
        findings=[],
    )


def _skipped(video: VideoAnnotation) -> list[Finding]:
    """Return who is left out of a training."""
    return [
        Finding(
            "empty-box",
            str(video.source),
            f"people are left out: {reason}",
            "nothing to do: a run leaves them out, too",
            level="note",
            count=count,
        )
        for reason, count in sorted(video.skipped.items())
    ]


def _check_images(part: VideoAnnotation) -> tuple[list[Finding], int]:
    """Check single images, of which a file lists names and sizes."""
    findings: dict[str, list[Finding]] = {}
    for number, file in (part.files or {}).items():
        path = part.frame_path(number)
        if not path.is_file():
            found, mend = "no such file", "fetch the images again, or correct data.*_images"
            findings.setdefault("missing-frame", []).append(
                Finding("missing-frame", str(path), found, mend)
            )
            continue
        facts = inspect_frame(path)
        if facts.fault is not None:
            fault, _, mend = facts.fault.rpartition("; ")
            code, found = "unreadable-frame", fault or mend
        elif facts.image_wh != file.image_wh:
            code = "frame-size"
            found = f"{facts.image_wh}, but the file says {file.image_wh}"
            mend = "fetch image and annotations of the same release"
        else:
            continue
        findings.setdefault(code, []).append(Finding(code, str(path), found, mend))
    bad = sum(map(len, findings.values()))
    return _first_ones(findings), len(part.files or {}) - bad


def _first_ones(findings: Mapping[str, Sequence[Finding]]) -> list[Finding]:
    """Return the first finding of each kind, with the number of all."""
    return [
        Finding(code, ones[0].where, ones[0].found, ones[0].mend, count=len(ones))
        for code, ones in findings.items()
    ]


def _overlap(members: Mapping[str, set[str]], root: Path) -> list[Finding]:
    shared = sorted(members.get("train", set()) & (members.get("val", set())))
    if not shared:
        return []
    found = f"{shared[0]} is for training and for tests"
    mend = "fetch the lists again: figures on training videos mean nothing"
    return [Finding("split-overlap", str(root), found, mend, count=len(shared))]
