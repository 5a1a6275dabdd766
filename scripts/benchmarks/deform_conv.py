"""Suite deform_conv: the forms of deformable convolution, forward and with gradients."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from benchmarks.measure import Options, Row, Table, side_by_side
from dcpose.models.deform_conv import (
    deform_conv_gather,
    deform_conv_mmcv,
    deform_conv_torchvision,
)

JOINTS, DILATION = 17, 3
Inputs = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
Form = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, int], Tensor]


def measure_deform_conv(options: Options) -> list[Table]:
    """Compare them on maps of 72 x 96 with a group of offsets per joint, as DCPose has them."""
    forms: dict[str, Form] = {
        "torchvision": deform_conv_torchvision,
        "gather": deform_conv_gather,
    }
    if importlib.util.find_spec("mmcv") is not None:
        forms["mmcv"] = deform_conv_mmcv
    height, width = (12, 8) if options.smoke else (96, 72)
    tables = []
    for maps in (1, 8, 32) if options.device.type == "cuda" else (1, 4):
        inputs = _inputs(maps, height, width, options.device)
        calls = {
            f"{name}, {what}": partial(call, form, inputs)
            for name, form in forms.items()
            for what, call in (("forward", _forward), ("with gradients", _with_gradients))
        }
        timings = side_by_side(calls, options)
        rows: list[Row] = [
            {
                "what": name,
                "seconds": timing.seconds,
                "cpu_seconds": timing.cpu_seconds,
                "times_torchvision": timings[f"torchvision, {name.split(', ')[1]}"].seconds
                / timing.seconds,
            }
            for name, timing in timings.items()
        ]
        tables.append(Table(f"{maps} maps of {width} x {height}, {JOINTS} channels", rows))
    return tables


def _inputs(maps: int, height: int, width: int, device: torch.device) -> Inputs:
    generator = torch.Generator().manual_seed(0)
    shapes = (
        (maps, JOINTS, height, width),
        (maps, JOINTS * 18, height, width),
        (maps, JOINTS * 9, height, width),
        (JOINTS, JOINTS, 3, 3),
        (JOINTS,),
    )
    x, offset, mask, weight, bias = (
        torch.randn(shape, generator=generator).to(device).requires_grad_() for shape in shapes
    )
    return x, offset, mask, weight, bias


@torch.no_grad()
def _forward(form: Form, inputs: Inputs) -> Tensor:
    return form(*inputs, DILATION)


def _with_gradients(form: Form, inputs: Inputs) -> tuple[Tensor, ...]:
    return torch.autograd.grad(form(*inputs, DILATION).sum(), inputs)
