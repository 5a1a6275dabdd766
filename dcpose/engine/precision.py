"""Number format of the network's forward pass."""

from typing import Literal

import torch

Precision = Literal["auto", "fp32", "bf16", "fp16"]

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def resolve_precision(precision: Precision, device: torch.device) -> torch.dtype:
    """Return the dtype to run a network in; `auto` is bf16 on CUDA and fp32 elsewhere.

    Raises:
        ValueError: for an unknown name, or fp16 without CUDA, where kernels are missing or slow.
    """
    if precision == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    if precision not in _DTYPES:
        raise ValueError(f"unknown precision {precision!r}, expected auto, {', '.join(_DTYPES)}")
    if precision == "fp16" and device.type != "cuda":
        raise ValueError(f"precision fp16 needs CUDA, the device is {device}; use fp32 or auto")
    return _DTYPES[precision]


def precision_name(dtype: torch.dtype) -> str:
    """Return the name that configs have for a dtype: fp32, bf16 or fp16."""
    return next(name for name, known in _DTYPES.items() if known == dtype)


def autocast(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    """Return a context in which layers compute in `dtype`; float32 leaves them alone."""
    return torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32)
