"""Write leaderboard files of the test split."""

import logging
from collections.abc import Sequence
from pathlib import Path

import torch

from dcpose.build.data import annotations_dir, build_skeleton, read_people
from dcpose.build.datasets import DATASETS
from dcpose.build.runtime import build_network
from dcpose.config.schema import Config
from dcpose.engine.distributed import is_main
from dcpose.engine.run.progress import set_up_logging
from dcpose.files.listing import list_folder
from dcpose.formats.posetrack.convert import Form
from dcpose.formats.posetrack.leaderboard import check_submission, export_submission
from dcpose.formats.posetrack.records import VideoAnnotation
from dcpose.jobs.predict import predict_split

_log = logging.getLogger(__name__)


def make_submission(
    cfg: Config, device: torch.device, weights: str, out: Path, form: Form | None
) -> Path | None:
    """Predict the test split and write leaderboard files; needs no ground-truth people.

    Writes `<video>.json` and `submission.zip` into `out`, in 2018 or 2017 form (None takes that
    of the data set), and our own predictions into `out/predictions`; then checks the files as the
    server would.

    Returns:
        the path of the zip file; None in processes other than the main one.

    Raises:
        ValueError: lists what the server would refuse; or `out/predictions` holds files of other
            videos, which would be submitted with them.
    """
    set_up_logging()
    own_form = DATASETS[cfg.data.layout].form
    if own_form is None:
        raise ValueError(
            f"data.layout: {cfg.data.layout} has no PoseTrack leaderboard; run tools/val.py and "
            "convert its predictions with scripts/convert_annotations.py --what predictions "
            "--to coco"
        )
    predictions_dir = out / "predictions"
    videos, people = read_people(cfg, "test")
    _refuse_other_videos(videos, predictions_dir)
    network = build_network(cfg, weights, device)
    predict_split(cfg, network, "test", predictions_dir, device, (videos, people))
    if not is_main():
        return None
    skeleton = build_skeleton(cfg)
    zip_path = export_submission(predictions_dir, out, form or own_form, skeleton)
    annotations = annotations_dir(cfg, "test", out / "annotations")
    problems = check_submission(out, annotations, skeleton)
    if problems:
        raise ValueError("the submission would be refused:\n" + "\n".join(problems))
    _log.info("%s: checked, ready to submit", zip_path)
    return zip_path


def _refuse_other_videos(videos: Sequence[VideoAnnotation], predictions_dir: Path) -> None:
    names = {video.name for video in videos}
    for path in list_folder(predictions_dir, ".json"):
        if path.stem not in names:
            raise ValueError(
                f"{path}: is of none of the {len(names)} videos of the test split and would be "
                "submitted with them; remove it or choose another --out"
            )
