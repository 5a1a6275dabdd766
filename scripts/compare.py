"""Draw people as annotated and as several models see them, with the wrong joints circled.

python scripts/compare.py --annotations DIR --root DIR --out DIR --predictions NAME=DIR [...]

One sheet per condition that annotations label people with, like Fig. 4 of the paper: a row per
person, the same frames for every model. A joint is wrong by PoseTrack's rule: farther than half a
head size from where it is annotated.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dcpose.cli import documented_parser, reports_user_errors
from dcpose.data.frames import read_frame
from dcpose.evaluation.matching import DISTANCE_LIMIT, HEAD_FACTOR
from dcpose.evaluation.subsets import in_order, subset_title
from dcpose.formats.posetrack.records import VideoAnnotation, read_annotations
from dcpose.geometry import apply_affine, paired_iou
from dcpose.skeleton import POSETRACK
from dcpose.structures import PersonRecord
from dcpose.visualize.mistakes import caption, circle_joints
from dcpose.visualize.picture_file import write_picture
from dcpose.visualize.pose import draw_pose
from dcpose.visualize.sheets import comparison_sheet, person_view

CELL_WH = (210, 280)
CONDITIONS = ("motion_blur", "crossing", "occlusion", "defocus")
NOTE = "circled: farther than half a head size from the truth"


@dataclass(frozen=True, eq=False)
class Choice:
    """One person to draw.

    Attributes:
        video: the video that it is in.
        person: its record.
        conditions: what makes it hard to see.
        head_size: the unit of distances in pixels; NaN if the annotation gives none.
    """

    video: VideoAnnotation
    person: PersonRecord
    conditions: tuple[str, ...]
    head_size: float


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = documented_parser(__doc__)
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
    parser.add_argument(
        "--format", choices=("png", "jpg"), default="png", help="of the pictures (default png)"
    )
    args = parser.parse_args(argv)
    columns = dict(_name_and_folder(text) for text in args.predictions)
    videos = read_annotations(args.annotations, args.root)
    args.out.mkdir(parents=True, exist_ok=True)
    for condition in in_order(("clean", *CONDITIONS)):
        choices = choose_people(videos, condition, args.rows)
        if choices:
            path = args.out / f"{condition}.{args.format}"
            sheet = draw_sheet(choices, columns)
            write_picture(path, sheet)
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
        before, cur, after = (
            person_view(read_frame(path), person.box_xywh, CELL_WH)
            for path in video.clip_paths(person.frame)
        )
        poses = [_joints_near(person, path) for path in columns.values()]
        drawn = [_draw_prediction(*cur, choice, joints) for joints in poses]
        rows.append([before[0], after[0], _draw_truth(*cur, person), *drawn])
        hard = ", ".join(subset_title(name) for name in choice.conditions) or subset_title("clean")
        titles.append(f"{video.name}, frame {person.frame}: {hard}")
    titles_of_columns = ["frame before", "frame after", "truth", *columns]
    return comparison_sheet(rows, titles_of_columns, titles, CELL_WH, NOTE)


def wrong_joints(choice: Choice, joints: np.ndarray) -> np.ndarray:
    """Return (J,) bool: annotated joints that (J, 2) predicted ones miss, by PoseTrack's rule.

    A joint that is not predicted, NaN, is missed; without a head size no joint is.
    """
    truth = _truth(choice.person)
    if np.isnan(choice.head_size):
        return np.zeros(len(truth), dtype=bool)
    distance = np.linalg.norm(joints - truth[:, :2], axis=1)
    return _counted(choice.person) & ~(distance <= DISTANCE_LIMIT * choice.head_size)


def _draw_truth(view: np.ndarray, matrix: np.ndarray, person: PersonRecord) -> np.ndarray:
    truth = _truth(person)
    return draw_pose(view, apply_affine(truth[:, :2], matrix), POSETRACK, truth[:, 2] > 0)


def _draw_prediction(
    view: np.ndarray, matrix: np.ndarray, choice: Choice, joints: np.ndarray
) -> np.ndarray:
    counted = _counted(choice.person)
    wrong = wrong_joints(choice, joints)
    moved = apply_affine(joints, matrix)
    drawn = circle_joints(draw_pose(view, moved, POSETRACK, counted), moved, wrong)
    if np.isnan(joints).all():
        return caption(drawn, "no pose")
    return caption(drawn, f"{wrong.sum()} of {counted.sum()} wrong")


def _truth(person: PersonRecord) -> np.ndarray:
    assert person.joints is not None  # noqa: S101 - _people_of chooses labelled people
    return person.joints


def _counted(person: PersonRecord) -> np.ndarray:
    """Return (J,) bool: the annotated joints that AP counts."""
    return (_truth(person)[:, 2] > 0) & np.isin(POSETRACK.joint_names, POSETRACK.evaluation_joints)


def _name_and_folder(text: str) -> tuple[str, Path]:
    name, _, folder = text.partition("=")
    if not name or not Path(folder).is_dir():
        raise ValueError(f"--predictions: found {text!r}, expected NAME=DIR with an existing DIR")
    return name, Path(folder)


def _people_of(video: VideoAnnotation) -> list[Choice]:
    content = json.loads(video.source.read_text(encoding="utf-8"))
    entries = {
        (entry["image_id"], entry.get("track_id")): entry
        for entry in content.get("annotations", [])
    }
    choices = []
    for person in video.people:
        if person.joints is None or not person.joints[:, 2].any():
            continue
        entry = entries.get((person.image_id, person.track_id), {})
        head_size = HEAD_FACTOR * float(np.hypot(*entry.get("bbox_head", [0, 0, np.nan, 0])[2:]))
        choices.append(Choice(video, person, tuple(entry.get("conditions", ())), head_size))
    return choices


def _joints_near(person: PersonRecord, predictions_dir: Path) -> np.ndarray:
    """Return (J, 2) predicted joints of the box that overlaps the person's most; NaN for none."""
    path = predictions_dir / f"{person.video}.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    here = [entry for entry in content["annotations"] if entry["image_id"] == person.image_id]
    boxes = np.array([entry["bbox"] for entry in here], dtype=np.float64).reshape(-1, 4)
    overlaps = paired_iou(boxes, person.box_xywh)
    if not overlaps.any():
        return np.full((POSETRACK.num_joints, 2), np.nan)
    return np.array(here[int(np.argmax(overlaps))]["keypoints"]).reshape(-1, 3)[:, :2]


if __name__ == "__main__":
    raise SystemExit(main())
