"""A folder of PoseTrack files, one per video, written again in the form that is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from dcpose.evaluation.evaluator import json_files
from dcpose.formats.posetrack.convert import Losses, to_posetrack17, to_posetrack18
from dcpose.formats.posetrack.parse18 import read_images
from dcpose.formats.posetrack.predictions import load_json, parse_poses, write_json
from dcpose.formats.posetrack.video_poses import Complaint, EvaluationInputError, Side
from dcpose.skeleton import POSETRACK, Skeleton

Form = Literal["posetrack18", "posetrack17"]


def convert_folder(
    source_dir: Path, out_dir: Path, form: Form, side: Side, skeleton: Skeleton = POSETRACK
) -> Losses:
    """Write every `<video>.json` of a folder in one form, under the same name.

    Files that are in that form already are copied. Converting the same files again gives the
    same bytes.

    Args:
        source_dir: one file per video, each in either form.
        out_dir: folder to write to, made if missing; not `source_dir`.
        form: form of the written files.
        side: what the files are; annotations may hold images only, as those of the test split.
        skeleton: joints of the files.

    Returns:
        what was left out or changed, in all files together.

    Raises:
        ValueError: if the two folders are the same.
        EvaluationInputError: if there are no files, or one is malformed.
    """
    if out_dir.resolve() == source_dir.resolve():
        raise ValueError(f"{out_dir}: holds the {side} themselves, choose another folder")
    sources = json_files(source_dir)
    if not sources:
        raise EvaluationInputError(f"{source_dir}: holds no JSON files, nothing to convert")
    out_dir.mkdir(parents=True, exist_ok=True)
    losses = Losses()
    for source in sources:
        content, left_out = _converted(source, form, side, skeleton)
        losses += left_out
        try:
            write_json(out_dir / source.name, content)
        except ValueError:
            raise EvaluationInputError(
                f"{source}: holds NaN or infinity, expected finite numbers; find the person with "
                "scripts/evaluate_ap.py"
            ) from None
    return losses


def _converted(
    source: Path, form: Form, side: Side, skeleton: Skeleton
) -> tuple[dict[str, Any], Losses]:
    content = load_json(source)
    if side == "annotations" and "images" in content and "annotations" not in content:
        read_images(content["images"], Complaint(source))
    else:
        parse_poses(content, source, side, skeleton)
    if form == "posetrack17" and "annolist" not in content:
        return to_posetrack17(content, source, side, skeleton)
    if form == "posetrack18" and "annolist" in content:
        return to_posetrack18(content, source, side, skeleton)
    return content, Losses()
