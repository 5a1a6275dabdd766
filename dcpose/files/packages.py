"""Optional packages: what installs them, which versions work, and one message where they lack."""

import importlib
import importlib.metadata
import re
from types import ModuleType

OPTIONAL = {
    "huggingface_hub": ("hub", ""),
    "jinja2": ("report", ""),
    "matplotlib": ("report", ""),
    "mlflow": ("mlflow", ""),
    "motmetrics": ("mota", ""),
    "ndx_pose": ("labels", ""),
    "onnx": ("onnx", "1.18"),
    "onnxruntime": ("onnx", "1.20"),
    "onnxscript": ("onnx", "0.7.2"),
    "openvino": ("openvino", "2025.0"),
    "pandas": ("deeplabcut", ""),
    "pyarrow": ("parquet", ""),
    "pycocotools": ("coco", ""),
    "pynwb": ("labels", ""),
    "sleap_io": ("labels", ""),
    "supervision": ("supervision", ""),
    "tables": ("deeplabcut", ""),
    "timm": ("timm", ""),
    "transformers": ("rtdetr", "4.46"),
    "wandb": ("wandb", ""),
}
"""The extra of dcpose that installs each package, and the least version that is checked; before
0.7.2 onnxscript loses the sizes of a split, or has no deformable convolution."""


class MissingPackageError(ImportError, ValueError):
    """An optional package is missing or too old; the text says what to install."""


def require(
    package: str, purpose: str = "dcpose", least: str = "", instead: str = ""
) -> ModuleType:
    """Import an optional package.

    Args:
        package: one of `OPTIONAL`, or a module in it, as pyarrow.parquet.
        purpose: what needs it, for the message.
        least: least version where a file asks for more than dcpose itself.
        instead: another way out, such as "take --format csv".

    Raises:
        MissingPackageError: if it is not installed or too old, with the command that installs it.
    """
    name = package.partition(".")[0]
    least = least or OPTIONAL[name][1]
    try:
        module = importlib.import_module(package)
        found = importlib.metadata.version(name) if least else ""
    except (ImportError, importlib.metadata.PackageNotFoundError) as error:
        found, lacks = "", f"which cannot be imported ({error})"
    else:
        if _numbers(found) >= _numbers(least):
            return module
        lacks = f"at least {least}; found {found}"
    raise MissingPackageError(
        f"{purpose} needs the package {name}, {lacks}; run pip install -U {requirement(name)}"
        + f", or {instead}" * bool(instead)
    )


def installed(*packages: str) -> bool:
    """Return whether optional packages are there in versions that work; imports none of them."""
    found = [(version_of(name) or "", OPTIONAL[name][1]) for name in packages]
    return all(version and _numbers(version) >= _numbers(least) for version, least in found)


def version_of(package: str) -> str | None:
    """Return the installed version of a package, or None if there is none."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def requirement(package: str) -> str:
    """Return what pip should install for a package: the extra of ours that has it, or itself."""
    return f"'dcpose[{OPTIONAL[package][0]}]'" if package in OPTIONAL else package


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])
