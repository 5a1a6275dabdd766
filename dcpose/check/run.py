"""Everything that is wrong with a data set, found before a run stops at it.

Every file is looked at once and what was found is kept (`check.cache`), so that a check after a
mend looks at the mended files only. Annotation files are read by the reader that runs use: a set it
refuses is never called healthy.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from dcpose.check.annotations import AnnotationFacts, inspect_file
from dcpose.check.cache import FactCache, stamp_of
from dcpose.check.detections import check_detections
from dcpose.check.findings import Report, SplitSummary
from dcpose.check.frames import NeighborNeeds, check_frames
from dcpose.check.layout import (
    SplitFiles,
    check_counts,
    check_digits,
    check_folders,
    check_splits,
    check_unannotated,
    describe_tree,
)
from dcpose.formats.findings import Finding
from dcpose.formats.posetrack.images import ImagePlace
from dcpose.formats.posetrack.records import FRAME_DIGITS
from dcpose.skeleton import POSETRACK, Skeleton

Progress = Callable[[str, int, int], None]
"""Told (what is being checked, videos done, videos in all)."""

_VIDEOS = TypeAdapter(list[AnnotationFacts])
_BOXES = TypeAdapter(tuple[list[Finding], int])
_THREADS = 8  # files wait for the disk or the network, not for a core


@dataclass(frozen=True)
class CheckOptions:
    """What a run will ask of the data set.

    Attributes:
        layout: the data set, one of `posetrack.FRAME_DIGITS`.
        max_gap: a neighbour is at most this many frames away; 0 if the model needs none.
        missing_neighbors: what a run does without one: stop (error) or take the frame (repeat).
        min_box_score: detections under this score are left out.
        skeleton: joints of the files.
    """

    layout: str = "posetrack18"
    max_gap: int = 1
    missing_neighbors: Literal["error", "repeat"] = "error"
    min_box_score: float = 0.2
    skeleton: Skeleton = POSETRACK


def check_data_set(
    root: Path,
    splits: Sequence[SplitFiles],
    options: CheckOptions,
    cache_dir: Path | None = None,
    progress: Progress = lambda stage, done, total: None,
) -> Report:
    """Check a data set and collect everything that is wrong with it.

    Args:
        root: folder that image paths in annotation files are relative to.
        splits: the splits to check, each once.
        options: what a run will ask for.
        cache_dir: folder for what was found; None keeps nothing.
        progress: called while frames and files are looked at.

    Raises:
        ValueError: if the root is no folder, or the layout is not one of videos.
    """
    if not root.is_dir():
        dead = ", a dead link" if root.is_symlink() else ""
        raise ValueError(f"data.root: no such folder: {root}{dead}; link the data set there")
    if options.layout not in FRAME_DIGITS:
        raise ValueError(
            f"data.layout: found {options.layout!r}, expected one of {', '.join(FRAME_DIGITS)}; "
            "see check_other_set for others"
        )
    cache = cache_of(root, cache_dir)
    report = _Check(root, options, cache, progress).run(splits)
    cache.save()
    return report


def cache_of(root: Path, cache_dir: Path | None) -> FactCache:
    """Return what was found of a data set before; None keeps nothing."""
    if cache_dir is None:
        return FactCache(None)
    digest = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()
    return FactCache(cache_dir / f"check-{digest[:16]}.json")


@dataclass(frozen=True)
class _Check:
    root: Path
    options: CheckOptions
    cache: FactCache
    progress: Progress

    def run(self, splits: Sequence[SplitFiles]) -> Report:
        layout = check_folders(self.root, splits)
        present = [files for files in splits if files.sources]
        facts = {files.split: self._annotations(files) for files in present}
        folders = {files.split: files.annotations for files in splits}
        videos = [video for videos in facts.values() for video in videos]
        # what a file without head boxes means is told by the others: see `check_splits`
        inside = [f for video in videos for f in video.findings if f.code != "no-head-boxes"]
        labels, counts = check_counts(self.root, self.options.layout, facts, folders)
        findings = [*layout, *inside, *check_splits(facts, folders), *counts]
        places = {files.split: ImagePlace(self.root, files.images) for files in present}
        findings += check_digits(self.options.layout, facts)
        findings += check_unannotated(facts, places)
        summaries = []
        for files in present:
            videos = facts[files.split]
            found, usable = self._frames(files.split, videos, places[files.split])
            boxes, num_boxes = self._detections(files, videos)
            findings += [*found, *boxes]
            summaries.append(summarise(files.split, videos, usable, num_boxes))
        tree = describe_tree(self.root, splits) if layout else None
        # the same frames can serve val and test
        return Report(str(self.root), labels, summaries, list(dict.fromkeys(findings)), tree)

    def _annotations(self, files: SplitFiles) -> list[AnnotationFacts]:
        merged, sources = files.annotations.is_file(), files.sources
        inspected: list[AnnotationFacts] = []
        for done, source in enumerate(sources, 1):
            inspected += self._inspect(source, merged)
            self.progress(f"{files.split} annotations", done, len(sources))
        return inspected

    def _inspect(self, source: Path, merged: bool) -> list[AnnotationFacts]:
        stamp = [*stamp_of(source.stat()), merged, repr(self.options.skeleton)]
        look = partial(inspect_file, source, merged, self.options.skeleton)
        return self.cache.find(str(source), stamp, _VIDEOS, look)

    def _frames(
        self, split: str, videos: Sequence[AnnotationFacts], place: ImagePlace
    ) -> tuple[list[Finding], int]:
        stops = self.options.missing_neighbors == "error"
        needs = NeighborNeeds(self.options.max_gap, "problem" if stops else "note")
        findings, usable = [], 0
        with ThreadPoolExecutor(_THREADS) as pool:
            checks = pool.map(lambda v: check_frames(v, place, needs, self.cache), videos)
            for done, (found, count) in enumerate(checks, 1):
                findings += found
                usable += count
                self.progress(f"{split} frames", done, len(videos))
        return findings, usable

    def _detections(
        self, files: SplitFiles, videos: Sequence[AnnotationFacts]
    ) -> tuple[list[Finding], int | None]:
        path = files.detections
        if path is None:
            return [], None
        if not path.is_file():
            found = "no such file of person boxes"
            mend = f"put it there, or set data.{files.split}_detections, relative to data.root"
            return [Finding("detections-file", str(path), found, mend)], None
        stamp = [stamp_of(p.stat()) for p in (path, *files.sources)] + [self.options.min_box_score]
        look = partial(check_detections, path, videos, self.options.min_box_score)
        return self.cache.find(str(path), stamp, _BOXES, look)


def summarise(
    split: str, videos: Sequence[AnnotationFacts], usable: int, boxes: int | None
) -> SplitSummary:
    """Return what a split holds."""
    return SplitSummary(
        split=split,
        videos=len(videos),
        frames=sum(len(video.frames) for video in videos),
        labelled_frames=sum(len(video.labelled) for video in videos),
        people=sum(frame.people for video in videos for frame in video.frames),
        usable_frames=usable,
        boxes=boxes,
    )
