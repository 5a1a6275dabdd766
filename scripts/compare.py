"""Draw people as annotated and as several models see them, side by side.

python scripts/compare.py --annotations DIR --root DIR --out DIR --predictions NAME=DIR [...]
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from dcpose.cli import reports_user_errors
from dcpose.data.frames import read_frame
from dcpose.data.posetrack import VideoAnnotation, read_annotations
from dcpose.geometry import apply_affine
from dcpose.skeleton import POSETRACK
from dcpose.structures import PersonRecord
from dcpose.visualize import comparison_sheet, draw_pose, person_view

CELL_WH = (210, 280)
CONDITIONS = ("motion_blur", "defocus", "occlusion", "crossing")


@dataclass(frozen=True, eq=False)
class Choice:
    """One person to draw, with the video it is in and what makes it hard."""

    video: VideoAnnotation
    person: PersonRecord
    conditions: tuple[str, ...]


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--annotations", type=Path, required=True, help="per-video JSON files")
    parser.add_argument("--root", type=Path, required=True, help="image names are relative to it")
    parser.add_argument(
        "--predictions",
        nargs="+",
        required=True,
        metavar="NAME=DIR",
        help="predictions folders, one column each",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures")
    parser.add_argument("--rows", type=int, default=6, help="people per picture (default 6)")
    args = parser.parse_args(argv)
    columns = dict(_name_and_folder(text) for text in args.predictions)
    videos = read_annotations(args.annotations, args.root)
    args.out.mkdir(parents=True, exist_ok=True)
    for condition in ("clean", *CONDITIONS):
        choices = choose_people(videos, condition, args.rows)
        if choices:
            path = args.out / f"{condition}.png"
            sheet = draw_sheet(choices, columns)
            if not cv2.imwrite(str(path), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR)):
                raise OSError(f"{path}: cannot be written")
            print(path)
    return 0


def choose_people(videos: Sequence[VideoAnnotation], condition: str, count: int) -> list[Choice]:
    """Return `count` people under a condition, evenly spread over the videos, the same each time.

    Rendered annotations list the conditions of each person; where a file lists none, everybody
    is `clean`. Evenly spread means nobody is picked for looking good.
    """
    fitting = [
        choice
        for video in videos
        for choice in _people_of(video)
        if (condition in choice.conditions) or (condition == "clean" and not choice.conditions)
    ]
    step = max(1, len(fitting) // count)
    return fitting[step // 2 :: step][:count]


def draw_sheet(choices: Sequence[Choice], columns: dict[str, Path]) -> np.ndarray:
    """Draw one row per person: frame before, frame after, ground truth, then every model."""
    rows, titles = [], []
    for choice in choices:
        video, person = choice.video, choice.person
        assert person.joints is not None  # noqa: S101 - _people_of chooses labelled people
        first, last = video.frame_range[0], video.frame_range[-1]
        before, cur, after = (
            person_view(
                read_frame(video.frame_path(min(max(number, first), last))),
                person.box_xywh,
                CELL_WH,
            )
            for number in range(person.frame - 1, person.frame + 2)
        )
        view, matrix = cur
        labelled = person.joints[:, 2] > 0
        poses = [person.joints[:, :2], *(_joints_near(person, path) for path in columns.values())]
        drawn = [draw_pose(view, apply_affine(pose, matrix), POSETRACK, labelled) for pose in poses]
        rows.append([before[0], after[0], *drawn])
        hard = ", ".join(choice.conditions).replace("_", " ") or "clean"
        titles.append(f"{video.name}, frame {person.frame}: {hard}")
    return comparison_sheet(rows, ["before", "after", "truth", *columns], titles, CELL_WH)


def _name_and_folder(text: str) -> tuple[str, Path]:
    name, _, folder = text.partition("=")
    if not name or not Path(folder).is_dir():
        raise ValueError(f"--predictions: found {text!r}, expected NAME=DIR with an existing DIR")
    return name, Path(folder)


def _people_of(video: VideoAnnotation) -> list[Choice]:
    content = json.loads(video.source.read_text(encoding="utf-8"))
    conditions = {
        (entry["image_id"], entry.get("track_id")): tuple(entry.get("conditions", ()))
        for entry in content.get("annotations", [])
    }
    return [
        Choice(video, person, conditions[person.image_id, person.track_id])
        for person in video.people
        if person.joints is not None and person.joints[:, 2].any()
    ]


def _joints_near(person: PersonRecord, predictions_dir: Path) -> np.ndarray:
    """Return (J, 2) predicted joints of the box that overlaps the person's most; NaN for none."""
    path = predictions_dir / f"{person.video}.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    here = [entry for entry in content["annotations"] if entry["image_id"] == person.image_id]
    overlaps = [_overlap(person.box_xywh, np.array(entry["bbox"])) for entry in here]
    if not overlaps or max(overlaps) == 0:
        return np.full((POSETRACK.num_joints, 2), np.nan)
    return np.array(here[int(np.argmax(overlaps))]["keypoints"]).reshape(-1, 3)[:, :2]


def _overlap(first_xywh: np.ndarray, second_xywh: np.ndarray) -> float:
    """Return intersection over union of two boxes."""
    near = np.maximum(first_xywh[:2], second_xywh[:2])
    far = np.minimum(first_xywh[:2] + first_xywh[2:], second_xywh[:2] + second_xywh[2:])
    shared = float(np.prod(np.maximum(far - near, 0)))
    return shared / float(np.prod(first_xywh[2:]) + np.prod(second_xywh[2:]) - shared)


if __name__ == "__main__":
    raise SystemExit(main())
