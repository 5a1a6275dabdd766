"""A config becomes batches of clips and what turns them into poses."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import torch
from torch import nn

from dcpose.build.data import build_clip_options, build_skeleton
from dcpose.config.schema import Config
from dcpose.data.stream import ClipStream
from dcpose.deploy.cuda_graphs import GraphedNetwork
from dcpose.deploy.fast import prepare_for_inference
from dcpose.engine.inference import predict
from dcpose.engine.precision import Precision, precision_name, resolve_precision
from dcpose.formats.posetrack.records import VideoAnnotation
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


def resolve_test_precision(cfg: Config, device: torch.device) -> torch.dtype:
    """Return the lowest number format of inference; see `resolve_precision`."""
    if cfg.test.precision == "mixed":
        return torch.bfloat16
    return resolve_precision(cfg.test.precision, device)


def describe_test_precision(cfg: Config, device: torch.device) -> str:
    """Return the name of the number format of inference, for the protocol."""
    if cfg.test.precision == "mixed":
        return "mixed"
    return precision_name(resolve_test_precision(cfg, device))


def build_predictor(
    cfg: Config, model: nn.Module, device: torch.device
) -> Callable[[Iterable[ClipBatch]], Iterator[PosePrediction]]:
    """Build the function that turns inference clips into poses; see `engine.inference.predict`.

    It sees the weights as they are now: of a model that is trained on, build another one.
    """
    precision: Precision = "fp32"  # for what is left to `predict`: a prepared network has its own
    if cfg.test.fast:
        dtype = resolve_test_precision(cfg, device)
        mixed = cfg.test.precision == "mixed"
        model = prepare_for_inference(model, dtype, robust_parts_alone=mixed)
    elif cfg.test.precision != "mixed":  # the config makes sure
        precision = cfg.test.precision
    if cfg.test.cuda_graphs:
        if device.type != "cuda" or not cfg.test.fast:
            raise ValueError(
                f"test.cuda_graphs needs CUDA and test.fast=true, found device {device.type} and "
                f"test.fast={str(cfg.test.fast).lower()}; set test.cuda_graphs=false"
            )
        model = GraphedNetwork(model)
    return partial(
        predict,
        model,
        device=device,
        precision=precision,
        flip=build_skeleton(cfg) if cfg.test.flip else None,
    )
