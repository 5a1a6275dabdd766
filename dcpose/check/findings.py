"""What a check of a data set found, and how it is told: as text for people, as JSON for scripts."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from dcpose.formats.findings import Finding

CODES = {
    "layout": "folders are not where the paths say",
    "annotation-file": "an annotation file cannot be read, or is of another form",
    "annotation-entry": "an entry of an annotation file breaks the form",
    "no-people": "nobody is annotated in a split that needs it",
    "counts": "videos or labelled frames differ from what was published or generated",
    "split-overlap": "a video is in train and in val",
    "wrong-split": "annotations of one split name images of another",
    "video-name": "an annotation file is named unlike its video",
    "frame-name": "a frame is not named by its number",
    "frame-repeated": "two entries of a file are the same frame or share an id",
    "image-id-shared": "two videos share an image id",
    "clip-length": "nframes differs inside a file, or frames lie beyond it",
    "size-entry": "width and height of a file are not one positive size",
    "keypoint-names": "categories do not name the joints",
    "unknown-image": "an annotation refers to no image",
    "person-repeated": "two annotations share an id",
    "person-without-joints": "a person has no labelled joint",
    "joint-outside": "a labelled joint is outside the image",
    "joint-at-origin": "a joint is labelled at (0, 0)",
    "hidden-joint": "a joint has a place but visibility 0",
    "empty-box": "a person box has no area",
    "box-outside": "a person box is outside the image",
    "joints-off-box": "joints of a person are not in its box",
    "head-box": "a person with joints has no usable head box",
    "no-head-boxes": "nobody in a file has a head box",
    "track-id": "a track id is missing, or twice in a frame",
    "unannotated-video": "frames on disk that no annotation file names",
    "missing-folder": "the frames of a video are not on disk",
    "missing-frame": "a frame of an annotation file is not on disk",
    "misnumbered-frames": "frames on disk are numbered in another way",
    "missing-neighbor": "a neighbour of a labelled frame is not on disk",
    "unreadable-frame": "a frame is no complete picture",
    "frame-size": "a frame has another size than its annotation file says",
    "more-frames": "a folder holds more frames than the clip",
    "detections-file": "a detections file cannot be read, or an entry breaks the form",
    "detection-image": "detections refer to unknown images",
    "detection-box": "detected boxes are empty, outside the image or twice in the file",
    "detection-score": "scores are not in [0, 1], or all under the threshold",
    "detection-coverage": "frames have no detection",
}
"""Every kind of finding; a name here is what `--allow` takes."""

SHOWN_PER_CODE = 5


@dataclass(frozen=True)
class SplitSummary:
    """What a split holds.

    Attributes:
        split: train, val or test.
        videos: annotation files that could be read.
        frames: frames that these files list.
        labelled_frames: frames with at least one annotated person.
        people: annotated people, those without joints included.
        usable_frames: listed frames that are on disk and complete.
        boxes: entries of the detections file; None if the split has none.
    """

    split: str
    videos: int
    frames: int
    labelled_frames: int
    people: int
    usable_frames: int
    boxes: int | None = None

    def line(self) -> str:
        """Return the summary in one line."""
        boxes = "" if self.boxes is None else f", {self.boxes:,} detections"
        return (
            f"{self.split}: {self.videos:,} videos, {self.frames:,} frames "
            f"({self.usable_frames:,} usable), {self.labelled_frames:,} labelled, "
            f"{self.people:,} people{boxes}"
        )


@dataclass(frozen=True)
class Report:
    """The result of a check.

    Attributes:
        root: folder that was checked.
        labels: what the label version was recognised as, in words.
        splits: what each split holds.
        findings: everything found, problems and notes.
        tree: expected and found folders, when some are not where they should be.
    """

    root: str
    labels: str
    splits: Sequence[SplitSummary]
    findings: Sequence[Finding]
    tree: str | None = None

    @property
    def problems(self) -> list[Finding]:
        """Findings that should be mended before a run."""
        return [finding for finding in self.findings if finding.level == "problem"]

    @property
    def notes(self) -> list[Finding]:
        """Findings that stop no run."""
        return [finding for finding in self.findings if finding.level == "note"]

    def allowing(self, codes: Iterable[str]) -> "Report":
        """Return the report with all findings of some codes turned into notes."""
        allowed = set(codes)
        findings = [replace(f, level="note") if f.code in allowed else f for f in self.findings]
        return replace(self, findings=findings)

    def text(self) -> str:
        """Return the report for people; long lists are cut, and say so."""
        lines = [f"data set: {self.root}", f"labels: {self.labels}"]
        lines += [f"  {split.line()}" for split in self.splits]
        for title, findings in (("problems", self.problems), ("notes", self.notes)):
            if findings:
                lines += [f"{title}:", *_listed(findings)]
        if self.tree:
            lines.append(self.tree)
        problems, notes = sum(_counts(self.problems)), sum(_counts(self.notes))
        verdict = f"{problems:,} problems" if problems else "healthy: no problems"
        return "\n".join([*lines, f"{verdict}, {notes:,} notes"])

    def to_json_dict(self) -> dict[str, Any]:
        """Return everything, uncut: healthy, root, labels, splits, problems, notes."""
        return {
            "healthy": not self.problems,
            "root": self.root,
            "labels": self.labels,
            "splits": [asdict(split) for split in self.splits],
            "problems": [asdict(finding) for finding in self.problems],
            "notes": [asdict(finding) for finding in self.notes],
            "tree": self.tree,
        }


def _listed(findings: Sequence[Finding]) -> list[str]:
    lines = []
    by_code: dict[str, list[Finding]] = {}
    for finding in findings:
        by_code.setdefault(finding.code, []).append(finding)
    for code, group in by_code.items():
        lines += [f"  [{code}] {finding.line()}" for finding in group[:SHOWN_PER_CODE]]
        if len(group) > SHOWN_PER_CODE:
            rest = sum(_counts(group[SHOWN_PER_CODE:]))
            lines.append(f"  [{code}] ... {rest:,} more, listed in the JSON report (--json)")
    return lines


def _counts(findings: Iterable[Finding]) -> list[int]:
    return [finding.count for finding in findings]
