"""The backbone alone."""

import torch

from dcpose.models.backbones.hrnet import HRNet
from dcpose.models.single_frame import SingleFrame


def test_looks_at_the_middle_frame_only(clips):
    frames, gaps = clips
    model = SingleFrame(HRNet(4, 3, modules=(1, 1, 1), blocks=1, stem_channels=4)).eval()
    assert model.clip == ((0,), (0,))
    with torch.no_grad():
        out = model(frames, gaps)
        assert out.shape == (2, 3, 16, 24)
        assert torch.equal(out, model(frames[:, 1:2], gaps))
        assert torch.equal(out, model.backbone(frames[:, 1]))


def test_everything_is_trained(clips):
    model = SingleFrame(HRNet(4, 3, modules=(1, 1, 1), blocks=1, stem_channels=4))
    frames, gaps = clips
    outputs = model.training_outputs(model.encode(frames), gaps)
    outputs["heatmaps"].heatmaps.square().mean().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
