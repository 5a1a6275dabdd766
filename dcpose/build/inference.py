"""A config becomes batches of clips and what turns them into poses."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import nn

from dcpose.build.data import build_clip_options, build_skeleton
from dcpose.build.runtime import Network
from dcpose.config.schema import Config
from dcpose.data.other_neighbors import OtherNeighbors, lenders
from dcpose.data.stream import ClipStream
from dcpose.deploy.bf16_branches import low_precision_parts
from dcpose.deploy.cuda_graphs import GraphedNetwork
from dcpose.deploy.example import example_clips
from dcpose.deploy.fast import prepare_for_inference
from dcpose.deploy.runtime_module import RuntimeModule
from dcpose.deploy.runtimes import ExportedNetwork
from dcpose.engine.inference import predict
from dcpose.engine.precision import precision_name, resolve_precision
from dcpose.formats.posetrack.records import VideoAnnotation
from dcpose.structures import ClipBatch, PersonRecord, PosePrediction


def build_stream(
    cfg: Config,
    videos: Sequence[VideoAnnotation],
    people: dict[str, list[PersonRecord]],
    pin_memory: bool = False,
    among: Sequence[VideoAnnotation] | None = None,
) -> ClipStream | OtherNeighbors:
    """Build the batches of inference clips of some videos.

    Args:
        cfg: how clips are cut, and what neighbours they get (`test.neighbors`).
        videos: in the order they are walked.
        people: by video name.
        pin_memory: see `ClipStream`.
        among: all videos of the split, of which these are a share; None if these are all.

    Raises:
        ValueError: if neighbours of another video are asked for and there is none.
    """
    first = next((person for crowd in people.values() for person in crowd), None)
    annotated = first is not None and first.joints is not None
    options = build_clip_options(cfg, training=False, annotated=annotated)

    def stream_of(
        walked: Sequence[VideoAnnotation], crowds: Mapping[str, Sequence[PersonRecord]]
    ) -> ClipStream:
        return ClipStream(
            walked,
            crowds,
            options,
            batch_size=cfg.test.batch_size,
            workers=max(1, cfg.data.workers),
            pin_memory=pin_memory,
        )

    stream = stream_of(videos, people)
    replacement = cfg.test.neighbors
    if replacement == "as_is" or options.num_frames == 1:
        return stream
    if replacement != "other_video":
        return OtherNeighbors(stream, replacement)
    lent = lenders(videos, people, videos if among is None else among)
    return OtherNeighbors(stream, replacement, stream_of(*lent))


class NumberFormat(NamedTuple):
    """How a network computes.

    Attributes:
        name: for the protocol.
        dtype: number format of layers.
        branches_alone: only the branches that bear it have the format (`low_precision_parts`).
    """

    name: str
    dtype: torch.dtype
    branches_alone: bool = False


def resolve_test_precision(cfg: Config, device: torch.device) -> NumberFormat:
    """Return the number format of inference on a device; see `resolve_precision`."""
    if cfg.test.precision == "bf16_branches":
        return NumberFormat("bf16_branches", torch.bfloat16, branches_alone=True)
    dtype = resolve_precision(cfg.test.precision, device)
    return NumberFormat(precision_name(dtype), dtype)


def describe_precision(cfg: Config, network: Network, device: torch.device) -> str:
    """Return the number format of inference, and the runtime if it is not torch."""
    if isinstance(network, ExportedNetwork):
        return f"{network.card.precision} ({network.card.kind})"
    return resolve_test_precision(cfg, device).name


def build_predictor(
    cfg: Config, network: Network, device: torch.device
) -> Callable[[Iterable[ClipBatch]], Iterator[PosePrediction]]:
    """Build the function that turns inference clips into poses; see `engine.inference.predict`.

    It sees the weights as they are now: of a model that is trained on, build another one.
    """
    prepared, dtype, stride = _prepared(cfg, network, device)
    if cfg.test.cuda_graphs:
        if device.type != "cuda" or not cfg.test.fast:
            raise ValueError(
                f"test.cuda_graphs needs CUDA and test.fast=true, found device {device.type} and "
                f"test.fast={str(cfg.test.fast).lower()}; set test.cuda_graphs=false"
            )
        prepared = GraphedNetwork(prepared)
    return partial(
        predict,
        prepared,
        device=device,
        stride=stride,
        dtype=dtype,
        flip=build_skeleton(cfg) if cfg.test.flip else None,
        zoom=cfg.test.zoom,
        affine=cfg.data.affine,
        decoding=cfg.test.decoding,
    )


def _prepared(
    cfg: Config, network: Network, device: torch.device
) -> tuple[nn.Module, torch.dtype, int]:
    """Return a module, the number format if it has none of its own, and its stride."""
    if isinstance(network, ExportedNetwork):
        return RuntimeModule(network), torch.float32, network.card.stride
    number_format = resolve_test_precision(cfg, device)
    if not cfg.test.fast:
        return network, number_format.dtype, network.stride
    num_frames = build_clip_options(cfg, training=False).num_frames
    example = example_clips(num_frames, network.example_wh, device=device)
    parts = low_precision_parts(network) if number_format.branches_alone else None
    prepared = prepare_for_inference(network, example, number_format.dtype, parts)
    return prepared, torch.float32, network.stride
