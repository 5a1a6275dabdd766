"""Optional packages of the runtimes, and the versions of them that work."""

import importlib
import re
from importlib import metadata
from types import ModuleType

NEEDED = {
    "onnx": ("1.18", "onnx"),
    "onnxscript": ("0.7.1", "onnx"),
    "onnxruntime": ("1.20", "onnx"),
    "openvino": ("2025.0", "openvino"),
}
"""Least version of each package, and the extra of dcpose that installs it. Before 0.7.1 onnxscript
does not know torchvision's deformable convolution."""


def require(package: str, least: str | None = None) -> ModuleType:
    """Import an optional package.

    Args:
        package: one of `NEEDED`.
        least: least version where a file asks for more than dcpose itself.

    Raises:
        ValueError: if it is not installed or too old, with the command that installs it.
    """
    known_least, extra = NEEDED[package]
    least = least or known_least
    way_out = f"pip install -U 'dcpose[{extra}]'"
    try:
        module = importlib.import_module(package)
        found = metadata.version(package)
    except (ImportError, metadata.PackageNotFoundError) as error:
        raise ValueError(f"{package} is not installed ({error}); {way_out}") from None
    if _numbers(found) < _numbers(least):
        raise ValueError(f"found {package} {found}, expected at least {least}; {way_out}")
    return module


def installed(*packages: str) -> bool:
    """Return whether optional packages are there in versions that work; imports none of them."""
    try:
        found = [(metadata.version(package), NEEDED[package][0]) for package in packages]
    except metadata.PackageNotFoundError:
        return False
    return all(_numbers(version) >= _numbers(least) for version, least in found)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])
