"""What every network here looks like from outside: backbones, and what works on them in time.

Shape legend: N images, B clips, F frames of a clip, J joints, C channels, H x W crop pixels, h x w
pixels of heatmaps or features.
"""

from abc import abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn

from dcpose.models.initialise import init_weights
from dcpose.structures import ClipSpec

Encoding = Literal["heatmaps", "features"]


class Backbone(nn.Module):
    """A network that sees one image each.

    Attributes:
        stride: crop pixels to a heatmap pixel.
        side_multiple: sides of images are multiples of this.
        feature_channels: C of `features`.
        feature_stride: crop pixels to a pixel of `features`.
        final_layer: features to heatmaps, where `head` is nothing else.
    """

    stride: int
    side_multiple: int
    feature_channels: int
    feature_stride: int
    final_layer: nn.Module

    @property
    def example_wh(self) -> tuple[int, int]:
        """Width and height of images that the network can be tried on, small where it may be."""
        return 2 * self.side_multiple, 2 * self.side_multiple

    @abstractmethod
    def features(self, images: Tensor) -> Tensor:
        """Return features (N, C, h, w) of normalised RGB images (N, 3, H, W).

        Raises:
            ValueError: if H or W is no multiple of `side_multiple`.
        """

    def head(self, features: Tensor) -> Tensor:
        """Return heatmaps (N, J, H / stride, W / stride) of features (N, C, h, w)."""
        return self.final_layer(features)

    def forward(self, images: Tensor) -> Tensor:
        """Return heatmaps (N, J, H / stride, W / stride) of normalised RGB images (N, 3, H, W)."""
        return self.head(self.features(images))

    def init(self, generator: torch.Generator) -> None:
        """Initialise all parameters for training from nothing (`init_weights`)."""
        init_weights(self, generator)

    def layers(self) -> list[list[nn.Parameter]]:
        """Return parameters by layer, from the input on, for learning rates that fall with depth.

        Those of the output are in no layer. Without layers all have one rate.
        """
        return []

    def check_sides(self, images: Tensor) -> None:
        """Raise ValueError if a side of images (N, 3, H, W) is no multiple of `side_multiple`."""
        height, width = images.shape[-2:]
        if height % self.side_multiple or width % self.side_multiple:
            raise ValueError(
                f"image sides must be multiples of {self.side_multiple}, got {width} x {height}"
            )


class FeaturesOf(nn.Module):
    """The features of a backbone, as a network of its own."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone
        self.train(backbone.training)

    def forward(self, images: Tensor) -> Tensor:
        """Return features (N, C, h, w) of images (N, 3, H, W)."""
        return self.backbone.features(images)


class Supervised(NamedTuple):
    """What a loss compares with the targets.

    Attributes:
        heatmaps: (B, J, h, w).
        weight: factor of the loss.
        penalty: () a loss of the method's own, which is added as it is; None adds nothing.
    """

    heatmaps: Tensor
    weight: float = 1.0
    penalty: Tensor | None = None


class TemporalModel(nn.Module):
    """A network that finds the pose in the current frame of a clip.

    It encodes each frame by itself and decodes the encoded frames together, so that what a backbone
    that training leaves alone encodes can be computed once, shared between models, or kept on disk.

    Args:
        backbone: sees one frame each.

    Attributes:
        frozen: the backbone is not trained, see `freeze_backbone`.
        backbone_is_constant: training leaves it as it is, statistics included.
        clip: the frames that the model wants in training and at test.
        used: which of the frames of a clip are encoded.
        encodes: what a frame is encoded to.
        takes: numbers of frames that `encode` takes, and which they are; empty for any.
    """

    clip: ClipSpec
    takes: ClassVar[Mapping[int, str]] = MappingProxyType({})
    used: slice = slice(None)
    encodes: ClassVar[Encoding] = "heatmaps"

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone
        self.frozen = self.backbone_is_constant = False

    def freeze_backbone(self, keep_statistics: bool = True) -> None:
        """Let training move everything but the backbone: it has no gradients.

        Args:
            keep_statistics: it also keeps its BatchNorm statistics, whatever the mode of the model.
                False lets them follow the training crops, as the releases of DCPose and PoseWarper
                do.
        """
        self.frozen, self.backbone_is_constant = True, keep_statistics
        self.backbone.requires_grad_(False)
        self.train(self.training)

    @property
    def stride(self) -> int:
        """Crop pixels to a heatmap pixel."""
        return self.backbone.stride

    @property
    def side_multiple(self) -> int:
        """Sides of crops are multiples of this."""
        return self.backbone.side_multiple

    @property
    def example_wh(self) -> tuple[int, int]:
        """Width and height of crops that the model can be tried on, small where it may be."""
        return self.backbone.example_wh

    def train(self, mode: bool = True) -> "TemporalModel":
        """Set the mode; a backbone that is constant stays in eval mode."""
        super().train(mode)
        if self.backbone_is_constant:
            self.backbone.eval()
        return self

    def image_encoder(self) -> nn.Module:
        """Return what maps images (N, 3, H, W) to what they are encoded to, (N, C, h, w)."""
        return self.backbone if self.encodes == "heatmaps" else FeaturesOf(self.backbone)

    def encode(self, frames: Tensor) -> Tensor:
        """Encode the frames that the model looks at, each by itself.

        Args:
            frames: (B, F, 3, H, W) normalised RGB crops of one person, as `clip` asks for them.

        Returns:
            (B, F', C, h, w) of the F' frames in `used`.

        Raises:
            ValueError: for another number of frames than the model takes.
        """
        if frames.dim() != 5 or (self.takes and frames.shape[1] not in self.takes):
            known = [f"(B, {n}, 3, H, W), {which}" for n, which in self.takes.items()]
            expected = "; or ".join(known) or "(B, F, 3, H, W)"
            raise ValueError(f"frames must be {expected}; got {tuple(frames.shape)}")
        images = frames[:, self.used]
        return self.image_encoder()(images.flatten(0, 1)).unflatten(0, tuple(images.shape[:2]))

    @abstractmethod
    def decode(self, encoded: Tensor, gaps: Tensor) -> Tensor:
        """Return heatmaps (B, J, H / stride, W / stride) of the current frame.

        Args:
            encoded: (B, F', C, h, w), see `encode`.
            gaps: (B, F - 1) distances of consecutive frames of the clip, each >= 1.
        """

    def forward(self, frames: Tensor, gaps: Tensor) -> Tensor:
        """Return heatmaps (B, J, H / stride, W / stride); see `encode` and `decode`."""
        return self.decode(self.encode(frames), gaps)

    def stages(self, encoded: Tensor, gaps: Tensor) -> dict[str, Tensor]:
        """Return named maps (B, C, h, w) on the way to the heatmaps, which come last."""
        return {"heatmaps": self.decode(encoded, gaps)}

    def training_outputs(self, encoded: Tensor, gaps: Tensor) -> dict[str, Supervised]:
        """Return what the loss supervises, by name; arguments as for `decode`."""
        return {"heatmaps": Supervised(self.decode(encoded, gaps))}

    def init_head(self, generator: torch.Generator) -> None:
        """Initialise everything but the backbone (`init_weights`)."""
        for name, part in self.named_children():
            if name != "backbone":
                init_weights(part, generator)
