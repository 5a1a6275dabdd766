"""A config becomes batches of clips and what turns them into poses."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import nn

from dcpose.build.data import build_clip_options, build_skeleton
from dcpose.config.schema import Config
from dcpose.data.stream import ClipStream
from dcpose.deploy.cuda_graphs import GraphedNetwork
from dcpose.deploy.fast import prepare_for_inference
from dcpose.engine.inference import predict
from dcpose.engine.precision import precision_name, resolve_precision
from dcpose.formats.posetrack.records import VideoAnnotation
from dcpose.models.interface import TemporalModel
from dcpose.structures import ClipBatch, PersonRecord, PosePrediction


def build_stream(
    cfg: Config,
    videos: Sequence[VideoAnnotation],
    people: dict[str, list[PersonRecord]],
    pin_memory: bool = False,
) -> ClipStream:
    """Build the batches of inference clips of some videos."""
    return ClipStream(
        videos,
        people,
        build_clip_options(cfg, training=False),
        batch_size=cfg.test.batch_size,
        workers=max(1, cfg.data.workers),
        pin_memory=pin_memory,
    )


class NumberFormat(NamedTuple):
    """How a network computes.

    Attributes:
        name: for the protocol.
        dtype: number format of layers.
        branches_alone: only where it does least has the format (`prepare_for_inference`).
    """

    name: str
    dtype: torch.dtype
    branches_alone: bool = False


def resolve_test_precision(cfg: Config, device: torch.device) -> NumberFormat:
    """Return the number format of inference on a device; see `resolve_precision`."""
    if cfg.test.precision == "mixed":
        return NumberFormat("mixed", torch.bfloat16, branches_alone=True)
    dtype = resolve_precision(cfg.test.precision, device)
    return NumberFormat(precision_name(dtype), dtype)


def build_predictor(
    cfg: Config, model: TemporalModel, device: torch.device
) -> Callable[[Iterable[ClipBatch]], Iterator[PosePrediction]]:
    """Build the function that turns inference clips into poses; see `engine.inference.predict`.

    It sees the weights as they are now: of a model that is trained on, build another one.
    """
    number_format = resolve_test_precision(cfg, device)
    network: nn.Module = model
    fast = cfg.test.fast and cfg.model.backbone.has_fast_copy
    if fast:
        network = prepare_for_inference(
            model, number_format.dtype, robust_parts_alone=number_format.branches_alone
        )
    if cfg.test.cuda_graphs:
        if device.type != "cuda" or not fast:
            raise ValueError(
                "test.cuda_graphs needs CUDA, test.fast=true and a backbone other than timm's, "
                f"found device {device.type}, test.fast={str(cfg.test.fast).lower()} and "
                f"model.backbone.name={cfg.model.backbone.name}; set test.cuda_graphs=false"
            )
        network = GraphedNetwork(network)
    return partial(
        predict,
        network,
        device=device,
        stride=model.stride,
        # a prepared network has its own
        dtype=torch.float32 if fast else number_format.dtype,
        flip=build_skeleton(cfg) if cfg.test.flip else None,
        affine=cfg.data.affine,
        decoding=cfg.test.decoding,
    )
