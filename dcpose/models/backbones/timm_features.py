"""Any network of timm that gives features, with a light pyramid (extra `timm`).

timm (Wightman, 2019; Apache-2.0) has some thousand image networks. What they give at strides of 4
and more is joined to one map at stride 4; plain vision transformers give all their maps at the
stride of their patches. Shape legend: N images, J joints, H x W pixels, C channels of the pyramid.
"""

import difflib
from typing import Any

import torch
from torch import Tensor, nn

from dcpose.files.packages import require
from dcpose.models.backbones.pyramid import FeaturePyramid
from dcpose.models.initialise import init_weights
from dcpose.models.interface import Backbone
from dcpose.structures import IMAGE_MEAN, IMAGE_STD


class TimmBackbone(Backbone):
    """Images to joint heatmaps at a quarter of the resolution.

    Args:
        model: name of a network of timm.
        num_joints: J, heatmaps to make.
        channels: C.
        image_wh: size of the images, which networks with a table of positions are built for.

    Raises:
        ValueError: if timm has no such network, or it gives no features; or if timm is missing.
    """

    stride = feature_stride = 4

    def __init__(
        self,
        model: str,
        num_joints: int = 17,
        channels: int = 96,
        image_wh: tuple[int, int] = (192, 256),
    ) -> None:
        super().__init__()
        self.feature_channels = channels
        self._model, self._image_wh = model, image_wh
        self.network, self._any_size = _features_of(model, image_wh, pretrained=False)
        info: Any = self.network.feature_info
        own: Any = self.network.pretrained_cfg
        self._used = [i for i, stride in enumerate(info.reduction()) if stride >= self.stride]
        self._channels = [info.channels()[i] for i in self._used]
        strides = [info.reduction()[i] for i in self._used]
        self.side_multiple = max(strides)
        self.pyramid = FeaturePyramid(self._channels, strides, channels, self.stride)
        self.final_layer = nn.Conv2d(channels, num_joints, 1)
        mean, std, own_mean, own_std = (
            torch.tensor(value).view(3, 1, 1)
            for value in (IMAGE_MEAN, IMAGE_STD, own["mean"], own["std"])
        )
        self.input_scale: Tensor
        self.input_offset: Tensor
        self.register_buffer("input_scale", std / own_std, persistent=False)
        self.register_buffer("input_offset", (mean - own_mean) / own_std, persistent=False)

    @property
    def example_wh(self) -> tuple[int, int]:
        """The size that the network is built for, if it takes no other."""
        return super().example_wh if self._any_size else self._image_wh

    def init(self, generator: torch.Generator) -> None:
        """Initialise the pyramid and the output layer; the network has timm's initialisation."""
        init_weights(self.pyramid, generator)
        init_weights(self.final_layer, generator)

    def load_pretrained(self) -> None:
        """Take timm's own weights, which timm fetches from its hub or finds in its cache.

        Raises:
            ValueError: if they cannot be had.
        """
        pretrained, _ = _features_of(self._model, self._image_wh, pretrained=True)
        self.network.load_state_dict(pretrained.state_dict())

    def features(self, images: Tensor) -> Tensor:
        """Return features (N, C, H / 4, W / 4) of normalised RGB images (N, 3, H, W).

        Raises:
            ValueError: if H or W is not a multiple of `side_multiple`, or the network is built for
                images of another size.
        """
        self.check_sides(images)
        height, width = images.shape[-2:]
        if not self._any_size and (width, height) != tuple(self._image_wh):
            raise ValueError(
                f"model.backbone.image_wh: {self._model} is built for images of "
                f"{self._image_wh[0]} x {self._image_wh[1]}, got {width} x {height}; set it to "
                "data.crop_wh"
            )
        maps = self.network(images * self.input_scale + self.input_offset)
        levels = [
            # some networks keep the channels last
            maps[i] if maps[i].shape[1] == channels else maps[i].movedim(-1, 1)
            for i, channels in zip(self._used, self._channels, strict=True)
        ]
        return self.pyramid(levels)


def _features_of(model: str, image_wh: tuple[int, int], pretrained: bool) -> tuple[nn.Module, bool]:
    """Return timm's network that gives the maps of all its stages, and if of images of any size."""
    timm = require("timm", "model.backbone.name=timm")
    if not timm.is_model(model.split(".")[0]):
        near = difflib.get_close_matches(model, timm.list_models(), n=4)
        hint = f"near to it are {', '.join(near)}" if near else "see timm.list_models()"
        raise ValueError(f"model.backbone.model: timm has no {model!r}; {hint}")
    options: dict[str, Any] = {"features_only": True, "pretrained": pretrained}
    try:
        try:
            return timm.create_model(model, img_size=image_wh[::-1], **options), False
        except TypeError:  # most networks take images of any size
            return timm.create_model(model, **options), True
    except (RuntimeError, OSError, ImportError, AttributeError) as error:
        raise ValueError(
            f"model.backbone.model: timm's {model!r} cannot be used as a backbone: {error}"
        ) from error
