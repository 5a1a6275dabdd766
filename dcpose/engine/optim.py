"""Optimizer and learning-rate schedule."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Literal

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import MultiStepLR

OptimizerName = Literal["adam", "adamw", "sgd"]
Decayed = Literal["all", "matrices"]
"""What weight decay pulls at: all parameters, or kernels and matrices alone, without biases, norms
and tables of positions."""

WARMUP_START = 0.001
"""Factor of the rate in the first step of a warm-up."""

SGD_MOMENTUM = 0.9


def parameter_groups(
    model: nn.Module,
    lr: float,
    weight_decay: float,
    layers: Sequence[Sequence[nn.Parameter]] = (),
    layer_decay: float = 1.0,
    decayed: Decayed = "all",
) -> list[dict[str, Any]]:
    """Sort the parameters of a model by learning rate and weight decay, the highest rate first.

    Args:
        model: whose trainable parameters.
        lr: of parameters that are in no layer.
        weight_decay: of what is decayed.
        layers: of the backbone, from the input on; see `Backbone.layers`.
        layer_decay: factor on the rate from one layer to the layer before it; also of the last one
            to what is in no layer.
        decayed: what is.
    """
    scales = {
        id(parameter): layer_decay ** (len(layers) - depth)
        for depth, layer in enumerate(layers)
        for parameter in layer
    }
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            spared = decayed == "matrices" and (parameter.ndim < 2 or name.endswith("positions"))
            key = lr * scales.get(id(parameter), 1.0), 0.0 if spared else weight_decay
            groups.setdefault(key, []).append(parameter)
    return [
        {"params": groups[key], "lr": key[0], "weight_decay": key[1]}
        for key in sorted(groups, reverse=True)
    ]


def warmup_factor(step: int, warmup_steps: int) -> float:
    """Return the factor on the rate in a step, counted from 1: from 0.001 linearly to 1."""
    if not 0 < step <= warmup_steps:
        return 1.0
    return WARMUP_START + (1 - WARMUP_START) * (step - 1) / warmup_steps


def make_optimizer(
    parameters: Iterable[nn.Parameter] | Iterable[dict[str, Any]],
    name: OptimizerName,
    lr: float,
    weight_decay: float = 0.0,
) -> Optimizer:
    """Build an optimizer over the parameters that require gradients.

    Args:
        parameters: all parameters of a model, of which frozen ones are left out; or groups with
            rates of their own (`parameter_groups`).
        name: adam (the paper's), adamw, or sgd with Nesterov momentum 0.9.
        lr: learning rate at the start.
        weight_decay: L2 penalty (adam, sgd) or decoupled decay (adamw).

    Raises:
        ValueError: if every parameter is frozen, or for an unknown name.
    """
    trainable: list[Any] = [p for p in parameters if isinstance(p, dict) or p.requires_grad]
    if not trainable:
        raise ValueError("nothing to train: every parameter is frozen; unfreeze part of the model")
    tensors = [t for p in trainable for t in (p["params"] if isinstance(p, dict) else [p])]
    # one kernel for all tensors instead of several for each
    fused = all(tensor.is_cuda for tensor in tensors)
    kinds: dict[str, Callable[..., Optimizer]] = {
        "adam": torch.optim.Adam,
        "adamw": torch.optim.AdamW,
        "sgd": partial(torch.optim.SGD, momentum=SGD_MOMENTUM, nesterov=True),
    }
    if name not in kinds:
        raise ValueError(f"unknown optimizer {name!r}, expected adam, adamw or sgd")
    return kinds[name](trainable, lr=lr, weight_decay=weight_decay, fused=fused)


def make_scheduler(optimizer: Optimizer, milestones: Sequence[int], gamma: float) -> MultiStepLR:
    """Multiply the learning rate by `gamma` after each of the given numbers of finished epochs.

    With milestones [4, 8], epochs 1-4 run at the initial rate, 5-8 at `gamma` times it. Step it
    once per epoch.
    """
    return MultiStepLR(optimizer, milestones=list(milestones), gamma=gamma)
