"""The proof accepts what is equal and catches what is broken."""

import numpy as np
import pytest
import torch
from torch import nn

from dcpose.deploy.parity import compute_reference, prove
from dcpose.heatmap import decode
from dcpose.models.deform_conv import ModulatedDeformConv


class Peaks(nn.Module):
    """Heatmaps with one clear peak each, which depend on clip and gap."""

    def forward(self, frames, gaps):
        rows = torch.arange(12.0).view(-1, 1)
        place = 3 + gaps[:, :1].view(-1, 1, 1, 1) + frames.mean(dim=(1, 2, 3, 4)).view(-1, 1, 1, 1)
        columns = torch.arange(16.0) - place
        return torch.exp(-(columns**2) / 8 - (rows - 5.2) ** 2 / 8).expand(-1, 2, -1, -1)


def clips():
    generator = torch.Generator().manual_seed(0)
    gaps = torch.randint(1, 5, (8, 2), generator=generator).float()
    return torch.randn(8, 3, 3, 48, 64, generator=generator), gaps


REFERENCE = compute_reference(Peaks(), *clips())


def exported(change=lambda heatmaps: heatmaps):
    network = Peaks()

    def run(frames, gaps):
        heatmaps = network(torch.from_numpy(frames), torch.from_numpy(gaps)).numpy()
        return {"heatmaps": change(heatmaps)}

    return run


def test_equal_networks():
    parity = prove(exported(), REFERENCE, decode, (4.0, 4.0), "fp32")
    assert (parity.clips, parity.off_peak, parity.moved_px) == (8, 0, 0)
    assert parity.largest_offset_px is None
    assert "limit 1e-05" in parity.line()


@pytest.mark.parametrize(
    "change",
    [
        lambda heatmaps: heatmaps + 2e-5,
        lambda heatmaps: np.roll(heatmaps, 1, axis=-1),
        lambda heatmaps: heatmaps * np.nan,
        lambda heatmaps: heatmaps[::-1] if len(heatmaps) == 8 else heatmaps,
        lambda heatmaps: heatmaps if len(heatmaps) != 1 else 0.9 * heatmaps,
    ],
    ids=["offset", "moved", "nan", "clips mixed up", "single clips"],
)
def test_broken_networks(change):
    with pytest.raises(ValueError, match=r"computes something else: .* no file was written"):
        prove(exported(change), REFERENCE, decode, (4.0, 4.0), "fp32")


def test_half_precision_may_round_more():
    parity = prove(exported(lambda maps: maps + 2e-5), REFERENCE, decode, (4.0, 4.0), "fp16")
    assert parity.off_peak == pytest.approx(2e-5, rel=0.1)


def test_joints_count_where_the_decoding_is_inside():
    class Joints(nn.Module):
        def forward(self, frames, gaps):
            joints, scores = decode(Peaks()(frames, gaps))
            return 4 * joints, scores

    def run(by):
        def moved(frames, gaps):
            joints, scores = Joints()(torch.from_numpy(frames), torch.from_numpy(gaps))
            return {"joints": (joints + by).numpy(), "scores": scores.numpy()}

        return moved

    reference = compute_reference(Joints(), *clips())
    assert prove(run(0.0), reference, decode, (4.0, 4.0), "fp32").moved_px == 0
    with pytest.raises(ValueError, match="computes something else"):
        prove(run(0.1), reference, decode, (4.0, 4.0), "fp32")


class Deformed(nn.Module):
    """Peaks that go through a deformable convolution with given offsets and masks."""

    def __init__(self, offset, mask):
        super().__init__()
        self.conv, self.offset, self.mask = ModulatedDeformConv(2, 2, 1, 2), offset, mask

    def forward(self, frames, gaps):
        maps = Peaks()(frames, gaps)
        size = len(maps), 18, *maps.shape[2:]
        offsets = torch.full((size[0], 36, *size[2:]), self.offset)
        return self.conv(maps, offsets, torch.full(size, self.mask)).detach()


@pytest.mark.parametrize(("offset", "mask"), [(0.0, 1.0), (0.5, 0.0)])
def test_offsets_of_zero_prove_nothing(offset, mask):
    network = Deformed(offset, mask)

    def run(frames, gaps):
        return {"heatmaps": network(torch.from_numpy(frames), torch.from_numpy(gaps)).numpy()}

    with pytest.raises(ValueError, match="offsets or masks of zero"):
        compute_reference(network, *clips())
    network.offset, network.mask = 0.25, 1.0
    reference = compute_reference(network, *clips())
    assert prove(run, reference, decode, (4.0, 4.0), "fp32").largest_offset_px == 0.25
