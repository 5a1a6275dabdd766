"""Fixtures of the network tests: tiny networks, and weights that a formula gives."""

import json
import zlib

import numpy as np
import pytest
import torch

from dcpose.models.blocks import residual_chain
from dcpose.models.correction import PoseCorrectionNetwork
from dcpose.models.dcpose import DCPose
from dcpose.models.hrnet import HRNet
from dcpose.models.temporal import PoseResidualFusion, PoseTemporalMerger


def _formula_entry(name, shape, seed):
    draws = np.random.Generator(np.random.PCG64([seed, zlib.crc32(name.encode())]))
    if name.endswith("num_batches_tracked"):
        return torch.tensor(1000)
    if name.endswith("running_var"):
        values = draws.uniform(0.5, 1.5, shape)
    elif name.endswith("running_mean"):
        values = draws.normal(0, 0.1, shape)
    elif len(shape) == 1 and name.endswith("weight"):
        values = draws.uniform(0.5, 1.0, shape)
    elif len(shape) == 1:
        values = draws.normal(0, 0.05, shape)
    else:
        values = draws.normal(0, 1, shape) / np.sqrt(np.prod(shape[1:]))
    return torch.from_numpy(values.astype(np.float32))


@pytest.fixture(scope="session")
def formula_weights():
    """Function (names with shapes, seed) -> state dict, as the golden cases describe it."""
    return lambda shapes, seed: {k: _formula_entry(k, s, seed) for k, s in shapes.items()}


@pytest.fixture(scope="session")
def golden_case(shared_dir):
    """Function name -> (description, arrays) of a golden case of the network."""

    def read(name):
        folder = shared_dir / "goldens" / "network"
        description = json.loads((folder / f"{name}.json").read_text())
        return description, np.load(folder / f"{name}.npz")

    return read


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
