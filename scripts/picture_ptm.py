"""Draw how DCPose finds one joint of one person, like Fig. 1 of the paper.

python scripts/picture_ptm.py --cfg CFG --weights W --joint right_wrist --out FILE.png
    [--video NAME] [--frame N] [--person K] [KEY=VALUE ...]

The picture shows the initial heatmaps of the frames, the merged map, where each dilation of the
correction network reads the merged map, and the final heatmap. The person comes from the val split.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch

from dcpose.build.data import build_skeleton, read_people
from dcpose.build.inference import build_stream
from dcpose.build.model import build_model
from dcpose.cli import config_parser, reports_user_errors, require_weights
from dcpose.config.loading import load_config
from dcpose.engine.devices import choose_device
from dcpose.formats.posetrack.records import VideoAnnotation
from dcpose.geometry import Affine, apply_affine, cell_wh, invert_affine
from dcpose.heatmap import decode
from dcpose.models.dcpose.correction import PoseCorrectionNetwork
from dcpose.models.dcpose.inspect import correction_samples
from dcpose.models.dcpose.network import DCPose
from dcpose.skeleton import Skeleton
from dcpose.structures import ClipBatch, PersonRecord
from dcpose.visualize.picture_file import write_picture
from dcpose.visualize.stages import JointSamples, JointStages, stages_sheet

FRAME_NAMES = ("h(p), before", "h(c)", "h(n), after")


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = config_parser("Draw the heatmaps of one joint on their way through DCPose.")
    parser.add_argument("--joint", default="right_wrist", help="its name (default %(default)s)")
    parser.add_argument("--video", help="a video of the val split (default: the first)")
    parser.add_argument("--frame", type=int, help="number of the frame (default: the first)")
    parser.add_argument("--person", type=int, default=0, help="which of the frame (default 0)")
    parser.add_argument("--out", type=Path, required=True, help="picture to write, png or jpg")
    args = parser.parse_intermixed_args(argv)
    cfg = load_config(args.cfg, args.overrides)
    if cfg.model.name != "dcpose":
        raise ValueError(f"model.name: found {cfg.model.name}, expected dcpose, which merges maps")
    joint = joint_index(build_skeleton(cfg), args.joint)
    model = cast(DCPose, build_model(cfg, require_weights(args.weights)))
    videos, people = read_people(cfg, "val")
    video, person = choose_person(videos, people, args.video, args.frame, args.person)
    batch = next(iter(build_stream(cfg, [video], {video.name: [person]})))
    device = choose_device(args.device)
    stages = stages_of(model.to(device), batch, joint, cfg.data.affine)
    heading = f"{args.joint} in {person.video}, frame {person.frame}"
    sheet = stages_sheet(stages, heading)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    write_picture(args.out, sheet)
    print(args.out)
    return 0


def joint_index(skeleton: Skeleton, name: str) -> int:
    """Return the position of a joint.

    Raises:
        ValueError: lists the names, if it is none of them.
    """
    if name not in skeleton.joint_names:
        names = ", ".join(skeleton.joint_names)
        raise ValueError(f"--joint: found {name}, expected one of {names}")
    return skeleton.joint_names.index(name)


def choose_person(
    videos: Sequence[VideoAnnotation],
    people: dict[str, list[PersonRecord]],
    video_name: str | None,
    frame: int | None,
    position: int,
) -> tuple[VideoAnnotation, PersonRecord]:
    """Return a person and its video; what is None takes the first that has people.

    Raises:
        ValueError: says what there is, if there is no such video, frame or person.
    """
    filled = {video.name: video for video in videos if people.get(video.name)}
    name = video_name or next(iter(filled))
    if name not in filled:
        raise ValueError(f"--video: found {name}, expected one with people: {', '.join(filled)}")
    frames = sorted({person.frame for person in people[name]})
    number = frames[0] if frame is None else frame
    crowd = [person for person in people[name] if person.frame == number]
    if not crowd:
        raise ValueError(
            f"--frame: found {number}, expected one of {name} with people: "
            f"{', '.join(map(str, frames))}"
        )
    if not 0 <= position < len(crowd):
        raise ValueError(
            f"--person: found {position}, expected 0 to {len(crowd) - 1} in frame {number} of "
            f"{name}"
        )
    return filled[name], crowd[position]


@torch.inference_mode()
def stages_of(
    model: DCPose, batch: ClipBatch, joint: int, affine: Affine = "classic"
) -> JointStages:
    """Return one joint of the first clip of a batch on its way through a model.

    Args:
        model: in eval mode.
        batch: of one clip or more.
        joint: its place in the skeleton.
        affine: how the crops were cut.

    Raises:
        ValueError: if the merged maps are not one per joint.
    """
    moved = batch.to(next(model.parameters()).device)
    frames, gaps = moved.network_input(), moved.gaps
    encoded = model.encode(frames)
    _, merged, corrected = model.stages(encoded, gaps).values()
    if merged.shape[1] != corrected.shape[1]:
        raise ValueError(
            f"model.ptm.channels: found {merged.shape[1]} merged maps for "
            f"{corrected.shape[1]} joints, expected one for each"
        )
    heatmap_wh = (corrected.shape[-1], corrected.shape[-2])
    cell = cell_wh((frames.shape[-1], frames.shape[-2]), heatmap_wh, affine)
    found = decode(corrected)[0][0, joint].cpu().numpy().astype(np.float64)
    x, y = np.rint(found).astype(int)
    _, features = model.merge(encoded, gaps)
    pcn = cast(PoseCorrectionNetwork, model.pcn)
    samples = [
        JointSamples(
            dilation=one.dilation,
            regular=one.regular[..., y, x].cpu().numpy().astype(np.float64),
            moved=one.moved[0, joint, ..., y, x].cpu().numpy().astype(np.float64),
            factors=(one.masks[0, joint, :, y, x] * one.weights[joint, joint]).cpu().numpy(),
        )
        for one in correction_samples(pcn, features)
    ]
    return JointStages(
        crops=list(batch.frames[0, model.used].numpy()),
        crop_names=FRAME_NAMES[model.used],
        cur=model.cur,
        initial=encoded[0, :, joint].cpu().numpy(),
        merged=merged[0, joint].cpu().numpy(),
        final=corrected[0, joint].cpu().numpy(),
        samples=samples,
        joint=found,
        truth=_annotated(batch, joint, cell),
        cell_wh=cell,
    )


def _annotated(batch: ClipBatch, joint: int, cell: tuple[float, float]) -> np.ndarray | None:
    """Return the (2,) annotated joint in heatmap pixels, None if there is none."""
    joints = batch.people[0].joints
    if joints is None or not joints[joint, 2]:
        return None
    image_to_crop = invert_affine(batch.crop_to_image[0].numpy())
    return apply_affine(joints[joint, :2], image_to_crop) / cell


if __name__ == "__main__":
    raise SystemExit(main())
