"""Temporal weights and the channel layouts of PTM and PRF."""

import pytest
import torch
from torch import nn

from dcpose.models.temporal import PoseResidualFusion, PoseTemporalMerger, temporal_weights


@pytest.fixture
def heatmaps():
    return torch.randn(2, 3, 17, 4, 3, generator=torch.Generator().manual_seed(0))


GAPS = torch.tensor([[1, 3], [2, 1]])


def test_nearer_frame_weighs_more():
    # Eq. 1-2 by hand: c - p = 1, n - c = 3 gives 3/4 and 1/4; 2 and 1 give 1/3 and 2/3.
    w_prev, w_next = temporal_weights(GAPS)
    assert w_prev.shape == w_next.shape == (2, 1, 1, 1)
    torch.testing.assert_close(w_prev.flatten(), torch.tensor([3 / 4, 1 / 3]))
    torch.testing.assert_close(w_next.flatten(), torch.tensor([1 / 4, 2 / 3]))


def _joint_by_joint(heatmaps, gaps, channels_of_joint):
    """Channels written out in a loop over clips and joints, in the released order."""
    clips = []
    for (prev, cur, next_), (gap_prev, gap_next) in zip(heatmaps, gaps.tolist(), strict=True):
        w_prev, w_next = gap_next / (gap_prev + gap_next), gap_prev / (gap_prev + gap_next)
        channels = []
        for joint in range(heatmaps.shape[2]):
            channels += channels_of_joint(prev[joint], cur[joint], next_[joint], w_prev, w_next)
        clips.append(torch.stack(channels))
    return torch.stack(clips)


def _input_of_chain(module, heatmaps):
    module.chain = nn.Identity()
    return module(heatmaps, GAPS)


def test_merger_sees_cur_prev_next_of_every_joint(heatmaps):
    expected = _joint_by_joint(
        heatmaps, GAPS, lambda p, c, n, w_prev, w_next: [c, w_prev * p, w_next * n]
    )
    torch.testing.assert_close(_input_of_chain(PoseTemporalMerger(17, 1, 17), heatmaps), expected)


def test_fusion_sees_residuals_and_weighted_residuals_of_every_joint(heatmaps):
    expected = _joint_by_joint(
        heatmaps,
        GAPS,
        lambda p, c, n, w_prev, w_next: [c - p, w_prev * (c - p), c - n, w_next * (c - n)],
    )
    torch.testing.assert_close(_input_of_chain(PoseResidualFusion(17, 1, 34), heatmaps), expected)


def test_output_shapes(heatmaps):
    assert PoseTemporalMerger(17, 1, 17)(heatmaps, GAPS).shape == (2, 17, 4, 3)
    assert PoseResidualFusion(17, 2, 20)(heatmaps, GAPS).shape == (2, 20, 4, 3)


def test_gaps_keep_the_dtype_of_the_heatmaps(heatmaps):
    merger = PoseTemporalMerger(17, 1, 17).to(torch.bfloat16)
    assert merger(heatmaps.bfloat16(), GAPS.float()).dtype == torch.bfloat16
