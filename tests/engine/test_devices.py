"""Which device is taken, the proof that a device computes right, and float64 kept off mps.

There is no mps device here: what it lacks is acted out on others.
"""

from functools import partial

import numpy as np
import pytest
import torch
from engine_fakes import TinyModel, make_batch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from dcpose import structures
from dcpose.engine import inference
from dcpose.engine.devices import choose_device, needs_proof, prove_device
from dcpose.engine.distributed import process_group
from dcpose.heatmap import decode

CPU = torch.device("cpu")
READING = inference._Reading(stride=4, affine="classic", decode=decode)


@pytest.fixture
def machine(monkeypatch):
    """Function: pretend that torch sees these devices."""

    def has(*kinds):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in kinds)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in kinds)

    return has


@pytest.mark.parametrize(
    ("there", "taken"),
    [((), "cpu"), (("mps",), "mps"), (("cuda",), "cuda"), (("cuda", "mps"), "cuda")],
)
def test_auto(there, taken, machine):
    machine(*there)
    assert choose_device() == choose_device("auto") == torch.device(taken)
    for kind in ("cpu", *there):
        assert choose_device(torch.device(kind)) == torch.device(kind)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cuda", "device is cuda, but torch sees no CUDA device; use --device cpu"),
        ("mps", r"device is mps, but torch sees no MPS device \(a Mac's GPU\)"),
        ("meta", "device is meta, but torch sees no such; use --device cpu"),
    ],
)
def test_what_is_not_there(name, message, machine):
    machine()
    with pytest.raises(ValueError, match=message):
        choose_device(name)


def test_several_processes_do_not_share_mps(machine, monkeypatch):
    machine("mps")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="torchrun works with cuda and cpu"), process_group("mps"):
        pass


class OnAnotherDevice(nn.Module):
    """Computes with a factor until it is moved to the CPU, as a faulty device would."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def cpu(self):
        self.factor = 1.0
        return super().cpu()

    def forward(self, frames, gaps):
        return self.factor * frames[:, 1, :, ::4, ::4]


@pytest.mark.parametrize(("factor", "deviation"), [(1.0, 0.0), (1.02, 0.02), (0.97, 0.03)])
def test_a_device_that_rounds(factor, deviation):
    frames = torch.rand(2, 3, 3, 16, 16)
    found = prove_device(OnAnotherDevice(factor), frames, torch.ones(2, 2), CPU)
    assert found == pytest.approx(deviation, abs=1e-6)


@pytest.mark.parametrize("factor", [0.0, -1.0, 1.2, float("nan")])
def test_a_device_that_computes_wrong(factor):
    frames = torch.rand(2, 3, 3, 16, 16)
    with pytest.raises(ValueError, match=r"computes other heatmaps than the CPU.* --device cpu"):
        prove_device(OnAnotherDevice(factor), frames, torch.ones(2, 2), CPU)


def test_the_model_stays_where_it_is():
    model = OnAnotherDevice(1.01)
    prove_device(model, torch.rand(1, 3, 3, 16, 16), torch.ones(1, 2), CPU)
    assert model.factor == 1.01


def test_mps_alone_has_to_prove_itself():
    proofs = {kind: needs_proof(torch.device(kind)) for kind in ("cpu", "cuda", "mps")}
    assert proofs == {"cpu": False, "cuda": False, "mps": True}


def predict_on_gpu(model, batches):
    """What `predict` does on mps, on the CPU."""
    compute = partial(inference._compute, model, reading=READING, dtype=torch.float32, flip=None)
    return inference._predict_on_gpu(compute, inference._proved(model, batches, CPU), CPU)


def test_predicting_starts_with_the_proof():
    batches = [make_batch(3, seed=seed) for seed in range(2)]
    model = TinyModel().eval()
    expected = list(inference.predict(model, batches, CPU))
    found = list(predict_on_gpu(model, batches))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.joints, other.joints, atol=1e-3)
    with pytest.raises(ValueError, match="computes other heatmaps"):
        next(predict_on_gpu(OnAnotherDevice(0.0).eval(), batches))


class NoFloat64(TorchDispatchMode):
    """Refuses float64 on a type of device, as mps does."""

    def __init__(self, kind):
        super().__init__()
        self.kind, self.tensors = kind, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves((args, kwargs, result)):
            if isinstance(leaf, torch.Tensor) and leaf.device.type == self.kind:
                self.tensors += 1
                assert leaf.dtype != torch.float64, func
        return result


@pytest.mark.parametrize("lacking", [True, False])
def test_float64_stays_on_the_cpu(lacking, monkeypatch):
    """A device of torch that is faked, "cuda", takes the part of mps."""
    if lacking:
        for module in (structures, inference):
            monkeypatch.setattr(module, "WITHOUT_FLOAT64", frozenset({"cuda"}))
    with FakeTensorMode(allow_non_fake_inputs=True):
        with torch.device("cuda"):
            model = TinyModel().eval()
        mode = NoFloat64("cuda")
        with mode:
            batch = make_batch(2, seed=0).to("cuda") if lacking else None
            if batch is None:
                with pytest.raises(AssertionError):
                    make_batch(2, seed=0).to("cuda")
                return
            result = inference._compute(
                model, batch, reading=READING, dtype=torch.float32, flip=None
            )
    assert mode.tensors > 10
    assert batch.crop_to_image.device.type == result.device.type == "cpu"
    assert batch.frames.device.type == "cuda"
    assert result.dtype == torch.float64
