"""Loss of heatmap regression (Eq. 10 of the paper)."""

import torch
from torch import Tensor, nn


class JointsMSELoss(nn.Module):
    """Weighted mean squared error of heatmaps.

    With predictions P, targets G and joint weights v, over B people, J joints and H x W pixels,

        loss = 1 / J * sum_j [ 1 / (B H W) * sum_b,y,x (v_bj * (P_bjyx - G_bjyx))^2 ].

    All B people, J joints and pixels count in the denominator, those of weight 0 too (the ears of
    PoseTrack are always among them). This is the release's reading of Eq. 10, which is written
    for one person and without the mean over pixels. The weight is inside the square, which makes
    a difference only for weights other than 0 and 1.
    """

    def forward(self, predicted: Tensor, target: Tensor, joint_weights: Tensor) -> Tensor:
        """Return the loss, a scalar in float32, or float64 for float64 predictions.

        Args:
            predicted: (B, J, H, W) heatmaps; half precision is widened before the difference.
            target: (B, J, H, W) heatmaps.
            joint_weights: (B, J), 0 for joints to leave out.

        Raises:
            ValueError: if the shapes do not fit.
        """
        if predicted.shape != target.shape or joint_weights.shape != predicted.shape[:2]:
            raise ValueError(
                f"expected heatmaps (B, J, H, W) twice and weights (B, J), got "
                f"{tuple(predicted.shape)}, {tuple(target.shape)} and {tuple(joint_weights.shape)}"
            )
        predicted = predicted.to(torch.promote_types(predicted.dtype, torch.float32))
        return (joint_weights[..., None, None] * (predicted - target)).square().mean()
