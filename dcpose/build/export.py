"""A model becomes a file of another runtime, proven on rendered clips."""

import platform
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from dcpose.build.data import build_clip_options, build_skeleton
from dcpose.config.loading import config_to_dict
from dcpose.config.schema import Config
from dcpose.data.crop import crop_matrix, warp_frames
from dcpose.deploy.example import example_clips
from dcpose.deploy.exported import ExportedCard, Kind, card_path, ending_of, kind_of, write_card
from dcpose.deploy.parity import compute_reference, prove
from dcpose.deploy.runtimes import ExportedNetwork
from dcpose.deploy.save import (
    DEFAULT_OPSET,
    HEATMAPS,
    INPUTS,
    JOINTS,
    check_opset,
    save_onnx,
    save_openvino,
    save_torch,
)
from dcpose.deploy.trace import CropsToJoints, DeformForm, trace
from dcpose.deploy.winograd import use_winograd
from dcpose.files.packages import version_of
from dcpose.geometry import cell_wh
from dcpose.heatmap import DECODERS
from dcpose.models.interface import TemporalModel
from dcpose.structures import IMAGE_MEAN, IMAGE_STD, normalise
from dcpose.synthetic.video import Video
from dcpose.weights.reading import weights_hash

PROOF_CLIPS = 8

EXPORTERS = ("onnx", "onnxscript", "onnxruntime", "openvino")
"""Packages whose versions a card tells."""


@dataclass(frozen=True)
class ExportOptions:
    """What an exported file is like.

    Attributes:
        to: format of the file.
        precision: of the weights.
        form: how deformable convolution is said.
        opset: of ONNX; None takes the default.
        crops_to_joints: uint8 crops in, joints and scores out.
        winograd: fewer multiplications in chains of residual blocks, for ONNX on a CPU
            (`deploy.winograd`).
    """

    to: Kind = "onnx"
    precision: Literal["fp32", "fp16"] = "fp32"
    form: DeformForm = "deform_conv"
    opset: int | None = None
    crops_to_joints: bool = False
    winograd: bool = False


def export_model(
    cfg: Config, model: TemporalModel, weights: Path, out: Path, options: ExportOptions
) -> ExportedCard:
    """Write an exported network and its card, once it is proven.

    Args:
        cfg: of the model.
        model: in eval mode on the CPU.
        weights: where its parameters come from.
        out: file to write, replaced only by one that is proven; the card lies beside it.
        options: see `ExportOptions`.

    Raises:
        ValueError: if the ending of the file is not that of its format, an option is not for it, a
            package is missing, or the exported network computes something else.
    """
    if kind_of(out) != options.to:
        raise ValueError(f"--out {out}: files of {options.to} end in {ending_of(options.to)}")
    if options.winograd and options.to != "onnx":
        raise ValueError(f"--winograd: for files of onnx, found --to {options.to}; leave it away")
    opset = (options.opset or DEFAULT_OPSET) if options.to == "onnx" else None
    if opset is not None:
        check_opset(opset, options.form)
    network: nn.Module = model
    width, height = cfg.data.crop_wh
    heatmap_wh = width // model.stride, height // model.stride
    cell = cell_wh(cfg.data.crop_wh, heatmap_wh, cfg.data.affine)
    read_off = DECODERS[cfg.test.decoding]
    frames, gaps = rendered_clips(cfg, PROOF_CLIPS)
    if options.crops_to_joints:
        network = CropsToJoints(model, cell, read_off).eval()
        example = frames[:2], gaps[:2]
    else:
        frames = normalise(frames).contiguous()
        example = example_clips(frames.shape[1], cfg.data.crop_wh)
    reference = compute_reference(network, frames, gaps)
    half = options.precision == "fp16" and options.to != "openvino"
    program = trace(network, example, options.form, half)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".export-") as folder:
        scratch = Path(folder) / out.name
        outputs = JOINTS if options.crops_to_joints else HEATMAPS
        if options.to == "onnx":
            save_onnx(program, scratch, outputs, opset or DEFAULT_OPSET)
            if options.winograd:
                use_winograd(scratch)
        elif options.to == "torch":
            save_torch(program, scratch)
        else:
            save_openvino(program, scratch, half=options.precision == "fp16")
        card = _card(cfg, model, weights, options, opset, (frames, gaps), outputs)
        write_card(scratch, card)
        exported = ExportedNetwork(scratch)
        parity = prove(exported, reference, read_off, cell, options.precision)
        del exported
        card = replace(card, parity=parity)
        write_card(scratch, card)
        for file in (scratch, *_weights_beside(scratch), card_path(scratch)):
            file.replace(out.with_name(file.name))
    return card


def _weights_beside(path: Path) -> list[Path]:
    beside = path.with_suffix(".bin")  # OpenVINO's
    return [beside] if beside.exists() else []


def _card(
    cfg: Config,
    model: TemporalModel,
    weights: Path,
    options: ExportOptions,
    opset: int | None,
    clips: tuple[Tensor, Tensor],
    outputs: tuple[str, ...],
) -> ExportedCard:
    packages = ("dcpose", "torch", "torchvision", *EXPORTERS)
    versions = {name: version for name in packages if (version := version_of(name))}
    skeleton = build_skeleton(cfg)
    joints, (width, height) = skeleton.num_joints, cfg.data.crop_wh
    shapes = {
        "heatmaps": ["B", joints, height // model.stride, width // model.stride],
        "joints": ["B", joints, 2],
        "scores": ["B", joints],
    }
    return ExportedCard(
        kind=options.to,
        inputs={
            name: {"shape": ["B", *tensor.shape[1:]], "dtype": str(tensor.dtype).split(".")[1]}
            for name, tensor in zip(INPUTS, clips, strict=True)
        },
        outputs={name: {"shape": shapes[name], "dtype": "float32"} for name in outputs},
        mean=IMAGE_MEAN,
        std=IMAGE_STD,
        normalisation_inside=options.crops_to_joints,
        crop_wh=cfg.data.crop_wh,
        stride=model.stride,
        joints=tuple(skeleton.joint_names),
        frames=build_clip_options(cfg, training=False).frames,
        num_frames=clips[0].shape[1],
        decoding=cfg.test.decoding,
        decoding_inside=options.crops_to_joints,
        precision=options.precision,
        deform_form=options.form,
        winograd=options.winograd,
        opset=opset,
        versions={"python": platform.python_version(), **versions},
        weights={"file": weights.name, "hash": weights_hash(weights)},
        config=config_to_dict(cfg),
    )


def rendered_clips(cfg: Config, clips: int) -> tuple[Tensor, Tensor]:
    """Return crops of rendered people as the model of a config sees them, always the same.

    Returns:
        frames (B, F, H, W, 3) uint8 RGB, and gaps (B, F - 1) float32; neighbours lie one or two
        frames away.
    """
    options = build_clip_options(cfg, training=False)
    generator = np.random.default_rng(0)
    num_frames = options.num_frames
    video = Video(2 * num_frames + 2, (320, 240), generator)
    images = list(video)
    crops, gaps = [], []
    for number in range(clips):
        person = number % len(video.truth.box_xywh)
        steps = generator.integers(1, 3, num_frames - 1)
        numbers = np.concatenate([[0], np.cumsum(steps)]) + number % 3
        box = video.truth.box_xywh[person, numbers[num_frames // 2]]
        matrix = crop_matrix(box, options.crop_wh, options.box_enlarge, affine=options.affine)
        crops.append(warp_frames([images[i] for i in numbers], matrix, options.crop_wh))
        gaps.append(steps)
    return torch.from_numpy(np.stack(crops)), torch.from_numpy(np.stack(gaps)).float()
