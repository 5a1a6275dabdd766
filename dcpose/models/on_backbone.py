"""What networks on top of a backbone share: a backbone that may stay as it is.

Shape legend: N images, B clips, F frames, J joints, H x W crop pixels, h = H / 4, w = W / 4
heatmap pixels.
"""

import torch
from torch import Tensor, nn

from dcpose.deploy.fast import prepare_for_inference
from dcpose.threads import in_equal_calls


class OnBackbone(nn.Module):
    """A network that works on the heatmaps of a backbone.

    Args:
        backbone: maps images (N, 3, H, W) to heatmaps (N, J, h, w).
        frozen: the backbone is not trained: no gradients.
        frozen_bn: a frozen backbone also keeps its BatchNorm statistics, whatever the mode of
            the model. False lets them follow the training crops, as the releases of DCPose and
            PoseWarper do. Without effect where `frozen` is False.
    """

    def __init__(self, backbone: nn.Module, frozen: bool, frozen_bn: bool) -> None:
        super().__init__()
        self.backbone = backbone
        self.frozen = frozen
        self.frozen_bn = frozen_bn
        self._fast_dtype: torch.dtype | None = None
        # in a list, so that it is no part of the model: neither saved nor moved nor trained
        self._fast_backbone: list[nn.Module] = []
        if frozen:
            self.backbone.requires_grad_(False)
        self.train(self.training)

    @property
    def unchanging_backbone(self) -> bool:
        """Whether training leaves the backbone as it is, statistics included."""
        return self.frozen and self.frozen_bn

    def train(self, mode: bool = True) -> "OnBackbone":
        """Set the mode; a backbone with frozen BatchNorm stays in eval mode."""
        super().train(mode)
        if self.unchanging_backbone:
            self.backbone.eval()
        return self

    def speed_up_training(self, dtype: torch.dtype) -> None:
        """Let training send images through a prepared copy of a backbone that stays as it is.

        The copy is made in the next forward pass in training mode, of the weights and on the
        device that the backbone has then; it is not saved. Other backbones are left alone.

        Args:
            dtype: number format of the copy (`prepare_for_inference`).
        """
        self._fast_dtype = dtype
        self._fast_backbone.clear()

    def image_heatmaps(self, images: Tensor) -> Tensor:
        """Return the backbone's heatmaps (N, J, h, w) of images (N, 3, H, W).

        In training on a CPU, the heatmaps of an image from a backbone that stays as it is do not
        depend on the other images, to the last bit (`in_equal_calls`): models that look at the
        same frame can share them, whatever else they look at (`engine.shared_backbone`). Elsewhere
        the backbone is called once.
        """
        if self.training and self.unchanging_backbone:
            network = self._prepared_backbone()
            if images.device.type == "cpu":
                return in_equal_calls(network, images)
            with torch.no_grad():
                return network(images)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            return self.backbone(images)

    def initial_heatmaps(self, frames: Tensor) -> Tensor:
        """Return heatmaps (B, F, J, h, w) of frames (B, F, 3, H, W)."""
        return self.image_heatmaps(frames.flatten(0, 1)).unflatten(0, tuple(frames.shape[:2]))

    def _prepared_backbone(self) -> nn.Module:
        if self._fast_dtype is None:
            return self.backbone
        if not self._fast_backbone:
            self._fast_backbone.append(prepare_for_inference(self.backbone, self._fast_dtype))
        return self._fast_backbone[0]
