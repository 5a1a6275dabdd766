"""Suites network and others: heatmaps of clips that lie on the device, by form of the network."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks.measure import Options, Row, Table, side_by_side, speed_columns
from dcpose.build.data import build_clip_options
from dcpose.build.model import build_model
from dcpose.config.loading import load_config
from dcpose.config.schema import Config
from dcpose.deploy.bf16_branches import low_precision_parts
from dcpose.deploy.cuda_graphs import GraphedNetwork
from dcpose.deploy.example import example_clips
from dcpose.deploy.fast import prepare_for_inference
from dcpose.models.backbones.hrnet import HRNet
from dcpose.models.interface import TemporalModel

CONFIG = "configs/posetrack18/dcpose_hrnet_w48.yaml"
SMALL_HRNET = [
    "data.crop_wh=[64,64]", "model.backbone.width=4", "model.backbone.modules=[1,1,1]",
    "model.backbone.blocks=1", "model.backbone.stem_channels=4",
]  # fmt: skip
SMOKE = [
    *SMALL_HRNET, "model.prf={blocks: 1, channels: 17}", "model.fusion={blocks: 1, channels: 8}",
    "model.pcn.dilations=[1]",
]  # fmt: skip
"""Overrides of a DCPose."""
OTHERS = {
    "DCPose, ViT-B": "configs/posetrack18/dcpose_vit_b.yaml",
    "TAR-ViTPose, ViT-B": "configs/posetrack18/tar_vit_b.yaml",
    "FAMI-Pose, HRNet-W48": "configs/posetrack17/fami_hrnet_w48.yaml",
}
SMALL_VIT = [
    "data.crop_wh=[64,64]", "model.backbone.width=16", "model.backbone.depth=1",
    "model.backbone.heads=2", "model.backbone.decoder_channels=8",
]  # fmt: skip
Forward = Callable[[], Tensor]


def measure_network(options: Options) -> list[Table]:
    """Compare the forms of DCPose with HRNet-W48 on 288 x 384 crops."""
    cfg = load_config(CONFIG, SMOKE if options.smoke else [])
    model, crop_wh = lively_model(cfg, options.device), cfg.data.crop_wh
    batches = (1, 2) if options.smoke else (1, 8, 32) if options.device.type == "cuda" else (1, 8)
    name = "DCPose, HRNet-W48"
    return [_compare(name, model, (3, crop_wh), clips, options) for clips in batches]


def measure_others(options: Options) -> list[Table]:
    """Compare the forms of networks with other backbones and methods, on the crops of their own."""
    tables = []
    for name, path in OTHERS.items():
        small = SMALL_VIT if "ViT" in name else SMALL_HRNET
        cfg = load_config(path, small if options.smoke else [])
        model = lively_model(cfg, options.device)
        num_frames = build_clip_options(cfg, training=False).num_frames
        clips = 32 if options.device.type == "cuda" and not options.smoke else 2
        seen = num_frames, cfg.data.crop_wh
        tables.append(_compare(name, model, seen, clips, options))
    return tables


def lively_model(cfg: Config, device: torch.device) -> TemporalModel:
    """Return the network of a config, with random weights that keep the scale of the signal.

    Weights as training starts with them would make heatmaps of nearly nothing, numbers so small
    that a CPU computes them many times slower.
    """
    model = build_model(cfg)
    enliven(model)
    return model.to(device)


def as_loaded(frames: Tensor) -> Tensor:
    """Lay frames (B, F, 3, H, W) out as a batch comes out of the loader: channels last."""
    return frames.movedim(2, -1).contiguous().movedim(-1, 2)


def compile_frozen(network: nn.Module, smoke: bool) -> None:
    """Let a network that stays as it is be compiled at its first call; `smoke` only seems to."""
    torch.compiler.reset()  # of the network before
    network.compile(**({"backend": "eager"} if smoke else {"options": {"freezing": True}}))


def enliven(network: nn.Module) -> None:
    """Fill a network with random weights that keep the scale of the signal, the same every time."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in network.state_dict().items():
        if tensor.dim() > 1:
            tensor.normal_(0, tensor[0].numel() ** -0.5, generator=generator)
        elif name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5, generator=generator)
        elif name.endswith("weight"):  # of BatchNorm
            tensor.uniform_(0.5, 1.0, generator=generator)
        elif tensor.is_floating_point() and tensor.dim():
            tensor.normal_(0, 0.05, generator=generator)


@torch.inference_mode()
def _compare(
    name: str,
    model: nn.Module,
    seen: tuple[int, tuple[int, int]],
    clips: int,
    options: Options,
) -> Table:
    num_frames, crop_wh = seen
    frames, gaps = example_clips(num_frames, crop_wh, clips, options.device, seed=1)
    variants = _variants(model, frames, gaps, options.device)
    operations, tensors = count_work(model, frames[:1], gaps[:1])
    heatmaps: dict[str, Tensor] = {}

    def keep(name: str, run: Forward) -> None:
        heatmaps[name] = run()

    timings = side_by_side(
        {name: partial(keep, name, run) for name, (run, _) in variants.items()}, options
    )
    reference, expected = next(iter(timings.values())), next(iter(heatmaps.values()))
    rows: list[Row] = []
    for what, (_, dtype) in variants.items():
        timing = timings[what]
        num_bytes = tensors * clips * (4 if dtype == "fp32" else 2)
        rows.append(
            {
                "what": what,
                **speed_columns(timing, reference, clips),
                "difference_of_peak": float(
                    (heatmaps[what] - expected).abs().max() / expected.abs().max()
                ),
                "part_of_matmul_rate": operations * clips
                / timing.seconds / options.roofline.matmul[dtype],
                "seconds_floor": options.roofline.floor(num_bytes, operations * clips, dtype),
                "seconds_floor_of_memory": options.roofline.floor(num_bytes),
            }
        )  # fmt: skip
    title = (
        f"{name}, {crop_wh[0]} x {crop_wh[1]}, {clips} clips of {num_frames} frames: "
        f"{operations * clips / 1e9:.0f} GFLOP; random weights"
    )
    return Table(title, rows)


def _variants(
    model: nn.Module, frames: Tensor, gaps: Tensor, device: torch.device
) -> dict[str, tuple[Forward, str]]:
    """Return what to run and its number format; the reference first."""
    last = as_loaded(frames)
    example = frames[:2], gaps[:2]
    dtypes = torch.float32, torch.bfloat16
    fast = {dtype: prepare_for_inference(model, example, dtype) for dtype in dtypes}
    has_branches = any(isinstance(module, HRNet) for module in model.modules())
    variants: dict[str, tuple[Forward, str]] = {
        "reference: eager, fp32, channels first": (partial(model, frames, gaps), "fp32"),
        "fast, fp32": (partial(fast[torch.float32], last, gaps), "fp32"),
        "fast, bf16": (partial(fast[torch.bfloat16], last, gaps), "bf16"),
    }
    if has_branches:
        parts = low_precision_parts(model)
        branches = prepare_for_inference(model, example, torch.bfloat16, parts)
        variants["fast, bf16_branches"] = partial(branches, last, gaps), "fp32"
    if device.type == "cuda":
        half = prepare_for_inference(model, example, torch.float16)
        graphed = GraphedNetwork(copy.deepcopy(fast[torch.bfloat16]))
        compiled = torch.compile(copy.deepcopy(fast[torch.bfloat16]))
        variants |= {
            "test.fast=false, fp32": (partial(model, last, gaps), "fp32"),
            "test.fast=false, bf16": (partial(autocast_bf16, model, last, gaps), "bf16"),
            "reference, one clip at a time": (partial(_one_by_one, model, frames, gaps), "fp32"),
            "fast, fp16": (partial(half, last, gaps), "bf16"),
            "fast, bf16, CUDA graph": (partial(graphed, last, gaps), "bf16"),
            "fast, bf16, torch.compile": (partial(compiled, last, gaps), "bf16"),
        }
    return variants


def _one_by_one(model: nn.Module, frames: Tensor, gaps: Tensor) -> Tensor:
    return torch.cat([model(*clip) for clip in zip(frames.split(1), gaps.split(1), strict=True)])


def autocast_bf16(model: nn.Module, frames: Tensor, gaps: Tensor) -> Tensor:
    """Return float32 heatmaps that a network computes in bf16 wherever autocast does."""
    with torch.autocast(frames.device.type, torch.bfloat16):
        return model(frames, gaps).float()


def count_work(model: nn.Module, frames: Tensor, gaps: Tensor) -> tuple[float, float]:
    """Return operations of a call, and numbers that its convolutions read and write.

    Multiplication and addition count as two; inputs, outputs and weights of every convolution
    count once, all else is taken to be fused with them.
    """
    operations = numbers = 0

    def count(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        nonlocal operations, numbers
        weight = module.weight
        assert isinstance(weight, Tensor)  # noqa: S101 - for the type checker
        operations += 2 * output.numel() * weight[0].numel()
        numbers += inputs[0].numel() + output.numel() + weight.numel()

    kinds = (nn.Conv2d,)
    hooks = [m.register_forward_hook(count) for m in model.modules() if isinstance(m, kinds)]
    model(frames, gaps)
    for hook in hooks:
        hook.remove()
    return operations, numbers
