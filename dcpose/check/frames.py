"""The frames of a video on disk against what its annotation file says; files are not decoded."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from pydantic import TypeAdapter

from dcpose.check.annotations import AnnotationFacts
from dcpose.check.cache import FactCache, stamp_of
from dcpose.data.frame_file import SUFFIXES, FrameFacts, inspect_frame
from dcpose.data.frames import sizes_differ
from dcpose.files.listing import list_folder
from dcpose.formats.findings import Finding, Level
from dcpose.formats.posetrack.images import ImagePlace, link_fault, numbered_files

_FACTS = TypeAdapter(FrameFacts)


@dataclass(frozen=True)
class NeighborNeeds:
    """Which neighbours a run asks for.

    Attributes:
        max_gap: a neighbour is at most this many frames away; 0 if none are needed.
        level: what a missing one is: a problem if the run stops at it, else a note.
    """

    max_gap: int
    level: Level


def check_frames(
    video: AnnotationFacts, place: ImagePlace, needs: NeighborNeeds, cache: FactCache
) -> tuple[list[Finding], int]:
    """Check the frames of one video.

    Args:
        video: what its annotation file says.
        place: where the frames of its split lie.
        needs: which neighbours must be there.
        cache: keeps what the files' ends say.

    Returns:
        Findings, and how many of the listed frames are on disk and complete.
    """
    if not video.frames:
        return [], 0
    folder = place.of(PurePosixPath(video.frames[0].file_name).parent)
    if not folder.is_dir():
        return [_missing_folder(video, folder)], 0
    fault = link_fault(folder, place.base)
    if fault is not None:
        found, _, mend = fault.rpartition("; ")
        return [Finding("missing-folder", str(folder), found, mend)], 0
    listed = {frame.number for frame in video.frames}
    frames = _Frames(video, folder, listed, _scan(video, folder, listed, place.base, cache))
    findings = list(frames.missing())
    if not any(finding.code == "misnumbered-frames" for finding in findings):
        findings += frames.missing_neighbors(needs)
    findings += [*frames.unreadable(), *frames.of_other_sizes(), *frames.too_many()]
    usable = {number for number, facts in frames.on_disk.items() if facts.fault is None}
    return findings, len(listed & usable)


def _missing_folder(video: AnnotationFacts, folder: Path) -> Finding:
    found = f"no such folder, but {video.source} lists {len(video.frames)} frames in it"
    if folder.is_symlink():
        found = f"a dead link, to {os.readlink(folder)}; {video.source} lists frames in it"
    mend = "copy or link the frames of this video there, or correct data.root"
    return Finding("missing-folder", str(folder), found, mend)


def _scan(
    video: AnnotationFacts, folder: Path, listed: set[int], base: Path, cache: FactCache
) -> dict[int, FrameFacts]:
    """Return the facts of the frames of the clip, and of the listed ones, that are on disk."""
    facts = {}
    for number, entry in numbered_files(folder, video.digits, video.suffix):
        if number not in video.clip and number not in listed:
            continue
        try:
            stamp = stamp_of(entry.stat())
        except OSError:
            # a dead link is as good as no file, but deserves its own words
            fault = f"a dead link, to {os.readlink(entry.path)}; copy the frame there"
            facts[number] = FrameFacts(None, fault)
            continue
        leads_out = link_fault(Path(entry.path), base) if entry.is_symlink() else None
        if leads_out is not None:
            facts[number] = FrameFacts(None, leads_out)
            continue
        look = partial(inspect_frame, Path(entry.path))
        facts[number] = cache.find(entry.path, stamp, _FACTS, look)
    return facts


@dataclass(frozen=True)
class _Frames:
    """The frames of a video: the numbers that are listed, and what is on disk, by number."""

    video: AnnotationFacts
    folder: Path
    listed: set[int]
    on_disk: dict[int, FrameFacts]

    def _file(self, number: int) -> Path:
        return self.folder / f"{number:0{self.video.digits}d}{self.video.suffix}"

    def missing(self) -> Iterator[Finding]:
        missing = sorted(self.listed - self.on_disk.keys())
        if not missing:
            return
        first, expected = self._file(missing[0]), self._file(min(self.listed)).name
        others = [p for p in list_folder(self.folder) if p.suffix.lower() in SUFFIXES]
        numbers = {int(path.stem): path.name for path in others if path.stem.isdecimal()}
        shift = min(numbers, default=0) - min(self.listed)
        moved = {number + shift for number in self.listed} <= numbers.keys()
        same_kind = any(len(p.name) == len(first.name) and p.suffix == first.suffix for p in others)
        if numbers and (not same_kind or (shift and moved)):
            shown = min(numbers.values())
            found = f"frames on disk start with {shown}, the annotations with {expected}"
            verb = "rename them" if shown.endswith(first.suffix) else "save them as JPEG, named"
            mend = (
                f"{verb} by {self.video.digits} digits counted from {self.video.first_frame}: "
                f"{shown} is {expected} and so on"
            )
            yield Finding("misnumbered-frames", str(self.folder), found, mend)
        else:
            found = f"listed in {self.video.source}, but not on disk"
            mend = "copy the frame again from the data set"
            yield Finding("missing-frame", str(first), found, mend, count=len(missing))

    def missing_neighbors(self, needs: NeighborNeeds) -> Iterator[Finding]:
        """Look for neighbours that the file does not list; listed ones are reported anyway."""
        reach = range(-needs.max_gap, needs.max_gap + 1)
        labelled = self.video.labelled or self.video.frames
        near = {frame.number + offset for frame in labelled for offset in reach}
        needed = {number for number in near if number in self.video.clip}
        missing = sorted(needed - self.listed - self.on_disk.keys())
        if not missing:
            return
        found = (
            "a neighbour of a labelled frame is not on disk, which holds "
            f"{len(self.on_disk)} of the {self.video.num_frames} frames of the clip"
        )
        mend = (
            "copy the frames between the labelled ones too, or set data.missing_neighbors=repeat"
            if needs.level == "problem"
            else "the labelled frame itself stands in for it (data.missing_neighbors=repeat)"
        )
        where = str(self._file(missing[0]))
        yield Finding("missing-neighbor", where, found, mend, needs.level, count=len(missing))

    def unreadable(self) -> Iterator[Finding]:
        broken = sorted(number for number, facts in self.on_disk.items() if facts.fault)
        if broken:
            found, _, mend = (self.on_disk[broken[0]].fault or "").rpartition("; ")
            where = str(self._file(broken[0]))
            yield Finding("unreadable-frame", where, found, mend, count=len(broken))

    def of_other_sizes(self) -> Iterator[Finding]:
        sizes = {n: facts.image_wh for n, facts in self.on_disk.items() if facts.image_wh}
        if not sizes:
            return
        known = self.video.image_wh
        expected = known or Counter(sizes.values()).most_common(1)[0][0]
        origin = self.video.source if known else "other frames of the video"
        odd = sorted(n for n, size in sizes.items() if sizes_differ(size, expected))
        if odd:
            width, height = sizes[odd[0]]
            found = f"{width}x{height} pixels, but {expected[0]}x{expected[1]} by {origin}"
            mend = "restore the original frames, or correct width and height with boxes and joints"
            yield Finding("frame-size", str(self._file(odd[0])), found, mend, count=len(odd))

    def too_many(self) -> Iterator[Finding]:
        count, source = len(list_folder(self.folder, self.video.suffix)), self.video.source
        if count > self.video.num_frames:
            found = f"{count} frames on disk, but a clip of {self.video.num_frames} in {source}"
            mend = "frames beyond the clip are not used; correct nframes if they belong to it"
            yield Finding("more-frames", str(self.folder), found, mend, level="note")
