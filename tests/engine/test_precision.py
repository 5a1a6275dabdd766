import pytest
import torch

from dcpose.engine.precision import autocast, precision_name, resolve_precision

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)


@pytest.mark.parametrize(
    ("name", "device", "expected"),
    [
        ("auto", CPU, torch.float32),
        ("auto", CUDA, torch.bfloat16),
        ("fp32", CPU, torch.float32),
        ("fp32", CUDA, torch.float32),
        ("bf16", CPU, torch.bfloat16),
        ("bf16", CUDA, torch.bfloat16),
        ("fp16", CUDA, torch.float16),
    ],
)
def test_resolution(name, device, expected):
    assert resolve_precision(name, device) is expected
    assert precision_name(expected) in ({"bf16", "fp32"} if name == "auto" else {name})


def test_fp16_on_a_cpu_is_refused():
    with pytest.raises(ValueError, match="fp16 needs CUDA, the device is cpu"):
        resolve_precision("fp16", CPU)


def test_unknown_name_is_refused():
    with pytest.raises(ValueError, match="unknown precision 'half'"):
        resolve_precision("half", CPU)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_layers_compute_in_the_dtype(dtype):
    with autocast(CPU, dtype):
        assert torch.nn.Linear(2, 2)(torch.ones(1, 2)).dtype is dtype
