"""Temporal weights and the channel layouts of PTM and PRF."""

import pytest
import torch
from torch import nn

from dcpose.models.dcpose.temporal import (
    CurrentHeatmaps,
    PoseResidualFusion,
    PoseTemporalMerger,
    SummedHeatmaps,
    SummedResiduals,
    frames_seen,
    temporal_weights,
)


@pytest.fixture
def heatmaps():
    return torch.randn(2, 3, 17, 4, 3, generator=torch.Generator().manual_seed(0))


GAPS = torch.tensor([[1.0, 3.0], [2.0, 1.0]])
WEIGHTS = temporal_weights(GAPS)


def test_nearer_frame_weighs_more():
    # Eq. 1-2 by hand: c - p = 1, n - c = 3 gives 3/4 and 1/4; 2 and 1 give 1/3 and 2/3.
    # The current frame weighs 1.
    expected = torch.tensor([[3 / 4, 1, 1 / 4], [1 / 3, 1, 2 / 3]])
    torch.testing.assert_close(temporal_weights(GAPS), expected)


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
    return module(heatmaps, WEIGHTS)


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
    assert PoseTemporalMerger(17, 1, 17)(heatmaps, WEIGHTS).shape == (2, 17, 4, 3)
    assert PoseResidualFusion(17, 2, 20)(heatmaps, WEIGHTS).shape == (2, 20, 4, 3)


def test_weights_keep_the_dtype_of_the_heatmaps(heatmaps):
    merger = PoseTemporalMerger(17, 1, 17).to(torch.bfloat16)
    assert merger(heatmaps.bfloat16(), WEIGHTS.bfloat16()).dtype == torch.bfloat16


def seen_by(neighbors, heatmaps):
    """What a module is given when prev or next has been taken away: heatmaps and weights."""
    seen = frames_seen(neighbors)
    return heatmaps[:, seen], WEIGHTS[:, seen]


@pytest.mark.parametrize(("neighbors", "kept"), [(("next",), (1, 3)), (("prev",), (1, 2))])
def test_removed_neighbour_leaves_its_channels_out(heatmaps, neighbors, kept):
    # Channels of a joint in the complete PTM: c, wp p, wn n. Which of them stay is `kept`, counted
    # from 1; of the PRF's c - p, wp (c - p), c - n, wn (c - n) the second or the first two go.
    merger = PoseTemporalMerger(17, 1, 17, neighbors)
    complete = _input_of_chain(PoseTemporalMerger(17, 1, 17), heatmaps).unflatten(1, (17, 3))
    assert merger.chain[0].split.conv.in_channels == 34
    merger.chain = nn.Identity()
    actual = merger(*seen_by(neighbors, heatmaps)).unflatten(1, (17, 2))
    torch.testing.assert_close(actual, complete[:, :, [position - 1 for position in kept]])

    fusion = PoseResidualFusion(17, 1, 34, neighbors)
    complete = _input_of_chain(PoseResidualFusion(17, 1, 34), heatmaps).unflatten(1, (17, 4))
    assert fusion.chain[0].split.conv.in_channels == 34
    fusion.chain = nn.Identity()
    actual = fusion(*seen_by(neighbors, heatmaps)).unflatten(1, (17, 2))
    stays = slice(2, 4) if neighbors == ("next",) else slice(0, 2)
    torch.testing.assert_close(actual, complete[:, :, stays])


def test_sign_of_the_second_residual(heatmaps):
    # Eq. 4 of the paper: h(n) - h(c); the first residual keeps its sign.
    module = PoseResidualFusion(17, 1, 34, second_residual="next_minus_cur")
    expected = _joint_by_joint(
        heatmaps,
        GAPS,
        lambda p, c, n, w_prev, w_next: [c - p, w_prev * (c - p), n - c, w_next * (n - c)],
    )
    torch.testing.assert_close(_input_of_chain(module, heatmaps), expected)


def test_replacements_of_the_merger(heatmaps):
    summed = SummedHeatmaps(17)
    nn.init.dirac_(summed.conv.weight)
    nn.init.zeros_(summed.conv.bias)
    prev, cur, next_ = heatmaps.unbind(1)
    torch.testing.assert_close(summed(heatmaps, WEIGHTS), prev + cur + next_)
    assert torch.equal(CurrentHeatmaps()(heatmaps, WEIGHTS), cur)
    assert torch.equal(CurrentHeatmaps(("next",))(*seen_by(("next",), heatmaps)), cur)
    assert not list(CurrentHeatmaps().parameters())


@pytest.mark.parametrize("sign", ["next_minus_cur", "cur_minus_next"])
def test_replacement_of_the_fusion(heatmaps, sign):
    # Sec. 4.3: h(c) - h(p) + h(n) - h(c); with the released sign the last two change places.
    module = SummedResiduals(17, second_residual=sign)
    nn.init.dirac_(module.conv.weight)
    nn.init.zeros_(module.conv.bias)
    prev, cur, next_ = heatmaps.unbind(1)
    expected = next_ - prev if sign == "next_minus_cur" else 2 * cur - prev - next_
    torch.testing.assert_close(module(heatmaps, WEIGHTS), expected)


@pytest.mark.parametrize(
    "module",
    [
        PoseTemporalMerger(3, 2, 6, groups=3),
        PoseResidualFusion(3, 2, 6, groups=3),
        SummedHeatmaps(3, groups=3),
        SummedResiduals(3, groups=3),
    ],
    ids=lambda module: type(module).__name__,
)
def test_groups_keep_the_joints_apart(module):
    generator = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        nn.init.uniform_(parameter, 0.1, 1, generator=generator)
    heatmaps = torch.rand(2, 3, 3, 4, 3, generator=generator)
    changed = heatmaps.clone()
    changed[:, 0, 1] += 0.5  # joint 1 in the frame before
    outputs = [module.eval()(maps, WEIGHTS).unflatten(1, (3, -1)) for maps in (heatmaps, changed)]
    differs = (outputs[0] != outputs[1]).flatten(2).any(dim=2).any(dim=0)
    assert differs.tolist() == [False, True, False]
