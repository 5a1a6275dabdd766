"""Random clips, on which a network is traced and what was made of it is proven."""

import torch
from torch import Tensor

LARGEST_GAP = 2


def example_clips(
    num_frames: int,
    crop_wh: tuple[int, int],
    clips: int = 2,
    device: torch.device | str = "cpu",
    seed: int = 0,
) -> tuple[Tensor, Tensor]:
    """Return normally distributed frames (B, F, 3, H, W), and gaps (B, F - 1) of 1 or 2.

    Args:
        num_frames: F.
        crop_wh: W, H.
        clips: B; two tell a network that mixes clips up.
        device: of the results.
        seed: of the random numbers.
    """
    generator = torch.Generator().manual_seed(seed)
    frames = torch.randn(clips, num_frames, 3, *crop_wh[::-1], generator=generator)
    gaps = torch.randint(1, LARGEST_GAP + 1, (clips, num_frames - 1), generator=generator)
    return frames.to(device), gaps.float().to(device)
