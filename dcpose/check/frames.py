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
    listed = PurePosixPath(video.frames[0].file_name)
    folder = place.of(listed.parent)
    if not folder.is_dir():
        return [_missing_folder(video, folder)], 0
    fault = link_fault(folder, place.base)
    if fault is not None:
        found, _, mend = fault.rpartition("; ")
        return [Finding("missing-folder", str(folder), found, mend)], 0
    names = {frame.number for frame in video.frames}
    on_disk = _scan(video, folder, names, place.base, cache)
    findings = list(_check_missing(video, folder, names, on_disk))
    if not any(finding.code == "misnumbered-frames" for finding in findings):
        findings += _check_neighbors(video, folder, names, on_disk, needs)
    findings += _check_files(video, folder, on_disk)
    findings += _check_more(video, folder, listed.suffix)
    usable = {number for number, facts in on_disk.items() if facts.fault is None}
    return findings, len(names & usable)


def _missing_folder(video: AnnotationFacts, folder: Path) -> Finding:
    found = f"no such folder, but {video.source} lists {len(video.frames)} frames in it"
    if folder.is_symlink():
        found = f"a dead link, to {os.readlink(folder)}; {video.source} lists frames in it"
    mend = "copy or link the frames of this video there, or correct data.root"
    return Finding("missing-folder", str(folder), found, mend)


def _name(video: AnnotationFacts, number: int) -> str:
    return f"{number:0{video.digits}d}{PurePosixPath(video.frames[0].file_name).suffix}"


def _scan(
    video: AnnotationFacts, folder: Path, listed: set[int], base: Path, cache: FactCache
) -> dict[int, FrameFacts]:
    """Return the facts of the frames of the clip, and of the listed ones, that are on disk."""
    suffix = PurePosixPath(video.frames[0].file_name).suffix
    clip = range(video.first_frame, video.first_frame + video.num_frames)
    facts = {}
    for number, entry in numbered_files(folder, video.digits, suffix):
        if number not in clip and number not in listed:
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


def _check_missing(
    video: AnnotationFacts, folder: Path, listed: set[int], on_disk: dict[int, FrameFacts]
) -> Iterator[Finding]:
    missing = sorted(listed - on_disk.keys())
    if not missing:
        return
    first = folder / _name(video, missing[0])
    others = [p.name for p in list_folder(folder) if p.suffix.lower() in SUFFIXES]
    numbers = {int(PurePosixPath(n).stem): n for n in others if PurePosixPath(n).stem.isdecimal()}
    shift = min(numbers, default=0) - min(listed)
    same_kind = any(len(n) == len(first.name) and n.endswith(first.suffix) for n in others)
    if numbers and (not same_kind or (shift and {n + shift for n in listed} <= numbers.keys())):
        shown = sorted(numbers.values())[0]
        found = (
            f"frames on disk start with {shown}, the annotations with {_name(video, min(listed))}"
        )
        verb = "rename them" if shown.endswith(first.suffix) else "save them as JPEG, named"
        mend = (
            f"{verb} by {video.digits} digits counted from {video.first_frame}: "
            f"{shown} is {_name(video, min(listed))} and so on"
        )
        yield Finding("misnumbered-frames", str(folder), found, mend)
    else:
        found = f"listed in {video.source}, but not on disk"
        mend = "copy the frame again from the data set"
        yield Finding("missing-frame", str(first), found, mend, count=len(missing))


def _check_neighbors(
    video: AnnotationFacts,
    folder: Path,
    listed: set[int],
    on_disk: dict[int, FrameFacts],
    needs: NeighborNeeds,
) -> Iterator[Finding]:
    """Look for neighbours that the file does not list; listed ones are reported anyway."""
    clip = range(video.first_frame, video.first_frame + video.num_frames)
    needed = {
        number
        for center in video.labelled or video.frames
        for number in range(center.number - needs.max_gap, center.number + needs.max_gap + 1)
        if number in clip
    }
    missing = sorted(needed - listed - on_disk.keys())
    if not missing:
        return
    found = (
        f"a neighbour of a labelled frame is not on disk, which holds {len(on_disk)} of the "
        f"{video.num_frames} frames of the clip"
    )
    mend = (
        "copy the frames between the labelled ones too, or set data.missing_neighbors=repeat"
        if needs.level == "problem"
        else "the labelled frame itself stands in for it (data.missing_neighbors=repeat)"
    )
    where = str(folder / _name(video, missing[0]))
    yield Finding("missing-neighbor", where, found, mend, needs.level, count=len(missing))


def _check_files(
    video: AnnotationFacts, folder: Path, on_disk: dict[int, FrameFacts]
) -> Iterator[Finding]:
    broken = sorted(number for number, facts in on_disk.items() if facts.fault)
    if broken:
        found, _, mend = (on_disk[broken[0]].fault or "").rpartition("; ")
        where = str(folder / _name(video, broken[0]))
        yield Finding("unreadable-frame", where, found, mend, count=len(broken))
    sizes = {n: facts.image_wh for n, facts in on_disk.items() if facts.image_wh is not None}
    if not sizes:
        return
    expected = video.image_wh or Counter(sizes.values()).most_common(1)[0][0]
    origin = video.source if video.image_wh else "other frames of the video"
    odd = sorted(n for n, size in sizes.items() if sizes_differ(size, expected))
    if odd:
        size = sizes[odd[0]]
        found = f"{size[0]}x{size[1]} pixels, but {expected[0]}x{expected[1]} by {origin}"
        mend = "restore the original frames, or correct width and height with boxes and joints"
        where = str(folder / _name(video, odd[0]))
        yield Finding("frame-size", where, found, mend, count=len(odd))


def _check_more(video: AnnotationFacts, folder: Path, suffix: str) -> Iterator[Finding]:
    count = len(list_folder(folder, suffix))
    if count > video.num_frames:
        found = f"{count} frames on disk, but a clip of {video.num_frames} in {video.source}"
        mend = "frames beyond the clip are not used; correct nframes if they belong to it"
        yield Finding("more-frames", str(folder), found, mend, level="note")
