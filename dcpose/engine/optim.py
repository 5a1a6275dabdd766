"""Optimizer and learning-rate schedule."""

from collections.abc import Iterable, Sequence
from typing import Literal

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import MultiStepLR

OptimizerName = Literal["adam", "adamw", "sgd"]

SGD_MOMENTUM = 0.9


def make_optimizer(
    parameters: Iterable[nn.Parameter], name: OptimizerName, lr: float, weight_decay: float = 0.0
) -> Optimizer:
    """Build an optimizer over the parameters that require gradients.

    Args:
        parameters: all parameters of a model; frozen ones are left out.
        name: adam (the paper's), adamw, or sgd with Nesterov momentum 0.9.
        lr: learning rate at the start.
        weight_decay: L2 penalty (adam, sgd) or decoupled decay (adamw).

    Raises:
        ValueError: if every parameter is frozen, or for an unknown name.
    """
    trainable = [parameter for parameter in parameters if parameter.requires_grad]
    if not trainable:
        raise ValueError("nothing to train: every parameter is frozen; unfreeze part of the model")
    # one kernel for all tensors instead of several for each
    fused = all(parameter.is_cuda for parameter in trainable)
    if name == "adam":
        return torch.optim.Adam(trainable, lr=lr, weight_decay=weight_decay, fused=fused)
    if name == "adamw":
        return torch.optim.AdamW(trainable, lr=lr, weight_decay=weight_decay, fused=fused)
    if name == "sgd":
        return torch.optim.SGD(
            trainable,
            lr=lr,
            momentum=SGD_MOMENTUM,
            nesterov=True,
            weight_decay=weight_decay,
            fused=fused,
        )
    raise ValueError(f"unknown optimizer {name!r}, expected adam, adamw or sgd")


def make_scheduler(optimizer: Optimizer, milestones: Sequence[int], gamma: float) -> MultiStepLR:
    """Multiply the learning rate by `gamma` after each of the given numbers of finished epochs.

    With milestones [4, 8], epochs 1-4 run at the initial rate, 5-8 at `gamma` times it. Step it
    once per epoch.

    Raises:
        ValueError: if the milestones do not rise or are not positive.
    """
    if list(milestones) != sorted(set(milestones)) or any(m < 1 for m in milestones):
        raise ValueError(f"milestones must be rising epochs from 1 on, got {list(milestones)}")
    return MultiStepLR(optimizer, milestones=list(milestones), gamma=gamma)
