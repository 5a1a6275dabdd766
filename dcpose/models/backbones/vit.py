"""ViTPose: a plain vision transformer and a small decoder (Xu et al., NeurIPS 2022, 2204.12484).

No class token: the tokens are the cells of a grid of stride 16, and the decoder raises them to
heatmaps of stride 4, as those of HRNet. Shape legend: N images, C width, J joints, H x W pixels,
both multiples of 16, h = H / 16, w = W / 16 grid cells.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from dcpose.models.blocks import upsampling
from dcpose.models.initialise import LINEAR_STD
from dcpose.models.interface import Backbone

PATCH = 16
"""Pixels along a side of a patch, and from one patch to the next."""

PATCH_PADDING = 2
"""Pixels of zeros around the image; a patch starts this far left of and above its cell."""

NORM_EPS = 1e-6

Decoder = Literal["classic", "simple"]


class Attention(nn.Module):
    """Full self-attention of tokens (N, L, C), with one matrix for queries, keys and values."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return (N, L, C)."""
        per_head = self.qkv(tokens).unflatten(-1, (3, self.heads, -1))  # (N, L, 3, heads, C/heads)
        queries, keys, values = per_head.permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(queries, keys, values)
        return self.proj(mixed.transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    """Two linear layers with an exact GELU between them, four times as wide inside."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return (N, L, C)."""
        return self.fc2(nn.functional.gelu(self.fc1(tokens)))


class Block(nn.Module):
    """Attention and MLP, each behind a LayerNorm and beside a shortcut.

    Args:
        width: C.
        heads: of the attention.
        drop_path: probability that training leaves a branch out for an image.
    """

    def __init__(self, width: int, heads: int, drop_path: float) -> None:
        from torchvision.ops import StochasticDepth  # slow to import: it pulls torch's compiler

        super().__init__()
        self.norm1 = nn.LayerNorm(width, NORM_EPS)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, NORM_EPS)
        self.mlp = Mlp(width)
        self.drop_path = StochasticDepth(drop_path, "row")

    def forward(self, tokens: Tensor) -> Tensor:
        """Return (N, L, C)."""
        tokens = tokens + self.drop_path(self.attn(self.norm1(tokens)))
        return tokens + self.drop_path(self.mlp(self.norm2(tokens)))


class ViT(Backbone):
    """Images to joint heatmaps at a quarter of the resolution.

    The defaults are ViTPose-B with the classic decoder. Published sizes, as width, depth, heads:
    S 384, 12, 12; B 768, 12, 12; L 1024, 24, 16; H 1280, 32, 16.

    Args:
        width: C, channels of a token.
        depth: blocks.
        heads: of each attention; they divide the width.
        num_joints: J, heatmaps to make.
        decoder: classic: two transposed convolutions, each with BatchNorm and ReLU, then 1x1;
            simple: ReLU, four times bilinear, then 3x3.
        decoder_channels: of the transposed convolutions.
        image_wh: input that the table of positions is made for; other inputs resample it.
        drop_path: of the last block; it rises linearly from 0 at the first.

    Raises:
        ValueError: if the heads do not divide the width, or a side of `image_wh` is no multiple
            of 16.
    """

    stride = 4
    side_multiple = PATCH
    feature_stride = PATCH

    def __init__(
        self,
        width: int = 768,
        depth: int = 12,
        heads: int = 12,
        num_joints: int = 17,
        decoder: Decoder = "classic",
        decoder_channels: int = 256,
        image_wh: tuple[int, int] = (192, 256),
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"{heads} heads do not divide a width of {width}")
        if any(side % PATCH for side in image_wh):
            raise ValueError(f"sides of image_wh must be multiples of {PATCH}, got {image_wh}")
        self.feature_channels = width
        grid_hw = image_wh[1] // PATCH, image_wh[0] // PATCH
        self.patch_embed = nn.Conv2d(3, width, PATCH, stride=PATCH, padding=PATCH_PADDING)
        self.positions = nn.Parameter(torch.zeros(1, width, *grid_hw))
        rates = torch.linspace(0, drop_path, depth, device="cpu").tolist()
        self.blocks = nn.ModuleList(Block(width, heads, rate) for rate in rates)
        self.last_norm = nn.LayerNorm(width, NORM_EPS)
        self.decoder = decoder
        if decoder == "classic":
            self.deconv_layers = nn.Sequential(
                *upsampling(width, decoder_channels),
                *upsampling(decoder_channels, decoder_channels),
            )
            self.final_layer = nn.Conv2d(decoder_channels, num_joints, 1)
        else:
            self.final_layer = nn.Conv2d(width, num_joints, 3, padding=1)

    def init(self, generator: torch.Generator) -> None:
        """Initialise as `init_weights` does; patches and positions truncated N(0, 0.02)."""
        super().init(generator)
        for weight in (self.patch_embed.weight, self.positions):
            nn.init.trunc_normal_(weight, 0, LINEAR_STD, -2 * LINEAR_STD, 2 * LINEAR_STD, generator)

    def layers(self) -> list[list[nn.Parameter]]:
        """Return patches and positions, then the blocks; see `Backbone`."""
        first = [self.positions, *self.patch_embed.parameters()]
        return [first, *(list(block.parameters()) for block in self.blocks)]

    def features(self, images: Tensor) -> Tensor:
        """Return what the last LayerNorm gives, (N, C, h, w); see `Backbone`."""
        self.check_sides(images)
        cells = self.patch_embed(images)
        cells = cells + resampled(self.positions, cells.shape[-2:])
        tokens = cells.flatten(2).transpose(1, 2)
        for block in self.blocks:
            tokens = block(tokens)
        return self.last_norm(tokens).transpose(1, 2).unflatten(2, cells.shape[-2:])

    def head(self, features: Tensor) -> Tensor:
        """Return heatmaps (N, J, 4 h, 4 w) of features (N, C, h, w)."""
        if self.decoder == "classic":
            return self.final_layer(self.deconv_layers(features))
        raised = nn.functional.interpolate(
            features.relu(), scale_factor=4, mode="bilinear", align_corners=False
        )
        return self.final_layer(raised)


def resampled(positions: Tensor, grid_hw: tuple[int, int] | torch.Size) -> Tensor:
    """Return a table of positions (1, C, h, w) for a grid of another size, bicubic."""
    if positions.shape[-2:] == grid_hw:
        return positions
    return nn.functional.interpolate(positions, tuple(grid_hw), mode="bicubic", align_corners=False)
