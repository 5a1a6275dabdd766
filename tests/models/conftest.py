"""Fixtures of the network tests: tiny networks."""

import pytest
import torch

from dcpose.models.blocks import residual_chain
from dcpose.models.correction import PoseCorrectionNetwork
from dcpose.models.dcpose import DCPose
from dcpose.models.hrnet import HRNet
from dcpose.models.temporal import PoseResidualFusion, PoseTemporalMerger


def _small_dcpose(*, num_joints=3, width=4, blocks=1, dilations=(1, 2), **flags):
    return DCPose(
        HRNet(width, num_joints, modules=(1, 1, 1), blocks=1, stem_channels=4),
        PoseTemporalMerger(num_joints, 1, num_joints),
        PoseResidualFusion(num_joints, blocks, 2 * num_joints),
        residual_chain(3 * num_joints, 6, 1),
        PoseCorrectionNetwork(6, num_joints, num_joints, dilations),
        **flags,
    )


@pytest.fixture(scope="session")
def small_dcpose():
    """Function that builds a DCPose of 3 joints in milliseconds."""
    return _small_dcpose


@pytest.fixture
def clips():
    """Two clips of 64 x 96 pixels (H x W) and their gaps."""
    generator = torch.Generator().manual_seed(0)
    frames = torch.randn(2, 3, 3, 64, 96, generator=generator)
    return frames, torch.tensor([[1.0, 1.0], [1.0, 3.0]])
