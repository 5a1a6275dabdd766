"""Initialisation of new networks (Sec. 4.1 of the paper, and its release)."""

import torch
from torch import nn

from dcpose.models.deform_conv import ModulatedDeformConv

CONV_STD = 0.001
"""Standard deviation of new convolution weights."""


LINEAR_STD = 0.02
"""Standard deviation of new weights of linear layers, cut at twice this."""


def init_weights(module: nn.Module, generator: torch.Generator | None = None) -> None:
    """Initialise a module and everything in it, in place.

    Convolutions, transposed ones too: weights N(0, 0.001), bias 0. Normalisation: weight 1, bias 0.
    Linear layers: truncated N(0, 0.02), bias 0, as vision transformers do. Deformable convolutions:
    identity (centre tap 1 on the diagonal), bias 0. Offsets and masks of a new head are therefore
    close to 0, and so is its output: the masks are what is learned first.

    Args:
        module: a backbone, or a part of the head.
        generator: source of randomness; None draws from the global one.
    """
    for layer in module.modules():
        if isinstance(layer, ModulatedDeformConv):
            nn.init.dirac_(layer.weight)
        elif isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(layer.weight, std=CONV_STD, generator=generator)
        elif isinstance(layer, nn.Linear):
            bound = 2 * LINEAR_STD
            nn.init.trunc_normal_(
                layer.weight, std=LINEAR_STD, a=-bound, b=bound, generator=generator
            )
        elif isinstance(layer, (nn.BatchNorm2d, nn.LayerNorm)):
            nn.init.ones_(layer.weight)
        else:
            continue
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def init_as_torch(layer: nn.Linear | ModulatedDeformConv, generator: torch.Generator) -> None:
    """Initialise a layer as torch's own constructors do, from a generator.

    Weights and bias are uniform within 1 / sqrt(inputs of an output).
    """
    nn.init.kaiming_uniform_(layer.weight, a=5**0.5, generator=generator)
    if layer.bias is not None:
        bound = layer.weight[0].numel() ** -0.5
        nn.init.uniform_(layer.bias, -bound, bound, generator)
