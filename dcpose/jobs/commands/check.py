"""Tell what is wrong with a data set before a run does.

dcpose check --cfg CFG [--splits train val] [--json OUT] [--contact-sheet PNG]
                                [--allow CODE ...] [overrides]

Exit code 0: healthy; 1: problems; 2: wrong use, such as a missing config or data root.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import cv2
import numpy as np
from tqdm import tqdm

from dcpose.check.findings import CODES
from dcpose.check.layout import SplitFiles
from dcpose.cli import leading_choices, reports_user_errors
from dcpose.config.loading import load_config
from dcpose.data.frames import FrameError, read_frame
from dcpose.files.cache_dir import default_cache_dir
from dcpose.files.writing import write_text
from dcpose.formats.posetrack.records import (
    FRAME_DIGITS,
    VideoAnnotation,
    read_annotations,
    read_video,
)
from dcpose.jobs.check import SPLITS, check_config, joints_of_files, own_splits, split_files
from dcpose.skeleton import Skeleton
from dcpose.structures import PersonRecord
from dcpose.visualize.picture_file import write_picture
from dcpose.visualize.pose import draw_pose
from dcpose.visualize.sheets import comparison_sheet

SAMPLES = 4
CELL_WH = (480, 320)
BOX_RGB = (255, 230, 60)


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    args = _parse(argv)
    logging.basicConfig(format="warning: %(message)s", level=logging.WARNING)
    cfg = load_config(args.cfg, args.overrides)
    cache_dir = None if args.no_cache else args.cache or default_cache_dir()
    found = check_config(cfg, args.splits, cache_dir, ProgressLines()).allowing(args.allow)
    print("\n\n".join(report.text() for report in found.reports))
    if args.json:
        text = json.dumps(found.to_json_dict(), indent=1)
        write_text(args.json, text + "\n")
    if args.contact_sheet:
        root, skeleton = Path(cfg.data.root), joints_of_files(cfg)
        columns = {
            files.split: sample_frames(readable_videos(files, root, skeleton), skeleton)
            for files in split_files(cfg.data, own_splits(cfg, args.splits))
            if cfg.data.layout in FRAME_DIGITS
        }
        write_contact_sheet(args.contact_sheet, columns)
    return 0 if found.healthy else 1


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Tell what is wrong with a data set before a run does.",
        epilog="Overrides are config keys: data.root=DIR. Exit code: 0 healthy, 1 problems, "
        "2 wrong use.",
    )
    parser.add_argument("--cfg", required=True, help="config file (YAML) of the run to come")
    parser.add_argument(
        "--splits", nargs="+", metavar="|".join(SPLITS), default=SPLITS, help="default: all three"
    )
    parser.add_argument("--json", type=Path, help="write everything found to this file")
    parser.add_argument(
        "--contact-sheet", type=Path, metavar="PNG", help="draw samples with their annotations"
    )
    parser.add_argument(
        "--allow",
        nargs="+",
        default=(),
        metavar="CODE",
        help="report findings of these codes as notes, for what you know and accept",
    )
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help=f"default {default_cache_dir()}; may be deleted"
    )
    parser.add_argument("--no-cache", action="store_true", help="look at every file again")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="config overrides")
    args = parser.parse_intermixed_args(argv)
    # options of several values take the overrides behind them, too
    args.splits, first = leading_choices(parser, "--splits", args.splits, SPLITS)
    args.allow, second = leading_choices(parser, "--allow", args.allow, sorted(CODES))
    args.overrides = [*first, *second, *args.overrides]
    return args


class ProgressLines:
    """A bar per stage on a terminal; elsewhere a line every few seconds and at the end of each."""

    SECONDS = 3.0

    def __init__(self) -> None:
        self._bar: tqdm[NoReturn] | None = None
        self._last = time.monotonic()

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show that `done` of `total` videos are checked."""
        if sys.stderr.isatty():
            self._bar = self._bar or tqdm(total=total, desc=stage, unit="video", leave=False)
            self._bar.update(done - self._bar.n)
            if done == total:
                self._bar.close()
                self._bar = None
        elif done == total or time.monotonic() - self._last >= self.SECONDS:
            self._last = time.monotonic()
            print(f"{stage}: {done} of {total} videos", file=sys.stderr, flush=True)


def write_contact_sheet(path: Path, columns: dict[str, list[np.ndarray]]) -> None:
    """Set pictures of some frames side by side, one column per split.

    Raises:
        ValueError: if there is no picture, or the sheet cannot be written.
    """
    columns = {split: pictures for split, pictures in columns.items() if pictures}
    if not columns:
        raise ValueError(f"{path}: no annotated frame could be read, so there is nothing to draw")
    blank = np.full((CELL_WH[1], CELL_WH[0], 3), 250, np.uint8)
    height = max(map(len, columns.values()))
    padded = [pictures + [blank] * (height - len(pictures)) for pictures in columns.values()]
    sheet = comparison_sheet(list(zip(*padded, strict=True)), list(columns), cell_wh=CELL_WH)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_picture(path, sheet)


def readable_videos(files: SplitFiles, root: Path, skeleton: Skeleton) -> list[VideoAnnotation]:
    """Return the videos of a split; where a file breaks the form, those of the other files."""
    try:
        return read_annotations(files.annotations, root, skeleton, files.images)
    except ValueError:
        videos = []
        for source in files.sources:
            with contextlib.suppress(ValueError):
                videos.append(read_video(source, root, skeleton))
        return videos


def sample_frames(videos: Sequence[VideoAnnotation], skeleton: Skeleton) -> list[np.ndarray]:
    """Return annotated frames of up to SAMPLES videos, evenly chosen, if readable."""
    videos = [video for video in videos if video.people]
    places = np.linspace(0, len(videos) - 1, min(SAMPLES, len(videos))).round().astype(int)
    pictures = []
    for video in (videos[place] for place in places):
        with contextlib.suppress(FrameError):
            pictures.append(draw_frame(video, video.people[len(video.people) // 2], skeleton))
    return pictures


def draw_frame(video: VideoAnnotation, person: PersonRecord, skeleton: Skeleton) -> np.ndarray:
    """Return the frame of a person with everybody in it: boxes and joints."""
    picture = read_frame(video.frame_path(person.frame))
    title = f"{video.name} {person.frame}"
    for other in video.people:
        if other.frame != person.frame:
            continue
        if other.joints is not None:
            shown = other.joints[:, 2] > 0
            picture = draw_pose(picture, other.joints[:, :2], skeleton, shown)
        x, y, width, height = other.box_xywh.clip(-1e4, 1e4).round().astype(int).tolist()
        cv2.rectangle(picture, (x, y), (x + width, y + height), BOX_RGB, 2)
    scale = picture.shape[1] / CELL_WH[0] / 2
    place = (round(10 * scale), round(30 * scale))
    thick = max(1, round(2 * scale))
    cv2.putText(picture, title, place, cv2.FONT_HERSHEY_SIMPLEX, scale, BOX_RGB, thick, cv2.LINE_AA)
    return picture
