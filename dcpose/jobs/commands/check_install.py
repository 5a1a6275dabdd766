"""Print what a bug report should say: versions, devices, codecs and extras."""

import argparse
import os
import platform
import re
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import dcpose
from dcpose.cli import reports_user_errors
from dcpose.config.shipped import shipped_configs
from dcpose.files.packages import version_of
from dcpose.weights.packaged import FOLDER

EXIT_PROBLEM = 1
ENCODERS = ("libx264", "libopenh264", "mpeg4", "aac")
"""Of the videos that are written; the first one there is taken."""
_REQUIREMENT = re.compile(r"([\w.-]+)\s*([^;]*)(?:;.*extra == .(\w+).)?")


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Return 0, or 1 if something that dcpose needs is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args(argv)
    needed, extras = requirements()
    missing = [name for name, _ in needed if version_of(name) is None]
    sections = {
        "dcpose": _own(),
        "packages": [
            f"{name} {version_of(name) or 'MISSING'}, {wanted}" for name, wanted in needed
        ],
        "devices": ["not known: torch is missing"] if "torch" in missing else _devices(),
        "codecs": ["not known: av is missing"] if "av" in missing else _codecs(),
        "extras": [_extra(name, packages) for name, packages in extras.items()],
    }
    for title, lines in sections.items():
        print("\n  ".join([title, *lines]))
    if missing:
        print(f"missing: {' '.join(missing)}; run pip install dcpose again", file=sys.stderr)
    return EXIT_PROBLEM if missing else 0


def requirements() -> tuple[list[tuple[str, str]], dict[str, list[str]]]:
    """Return what the installed dcpose needs, with versions, and the packages of its extras.

    Raises:
        ValueError: if dcpose is not installed, so that nobody noted what it needs.
    """
    try:
        lines = metadata.requires("dcpose") or []
    except metadata.PackageNotFoundError:
        raise ValueError(
            "dcpose is not installed here; run pip install -e . in the checkout"
        ) from None
    needed, extras = [], dict[str, list[str]]()
    for line in lines:
        match = _REQUIREMENT.match(line)
        if match and match[3]:
            extras.setdefault(match[3], []).append(match[1])
        elif match:
            needed.append((match[1], match[2].strip() or "any"))
    return needed, extras


def _own() -> list[str]:
    configs = sum(1 for _ in shipped_configs().rglob("*.yaml"))
    weights = [f"{file.name} {file.stat().st_size}" for file in FOLDER.glob("*.safetensors")]
    return [
        f"{dcpose.__version__} in {Path(dcpose.__file__).parent}, {configs} configs",
        f"weights that come along, bytes: {', '.join(sorted(weights)) or 'MISSING'}",
        f"Python {platform.python_version()} on {platform.platform()}, {os.cpu_count()} CPUs",
    ]


def _devices() -> list[str]:
    import torch

    lines = [f"cpu: {torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} threads"]
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            facts = torch.cuda.get_device_properties(index)
            lines.append(f"cuda:{index}: {facts.name}, {facts.total_memory / 2**30:.0f} GiB")
    else:
        built = (
            f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "built without CUDA"
        )
        lines.append(f"cuda: none (torch is {built})")
    lines.append(f"mps: {'yes' if torch.backends.mps.is_available() else 'none'}")
    return lines


def _codecs() -> list[str]:
    import av

    there = [name for name in ENCODERS if name in av.codecs_available]
    absent = [name for name in ENCODERS if name not in av.codecs_available]
    libraries = ", ".join(
        f"{name} {'.'.join(map(str, version))}" for name, version in av.library_versions.items()
    )
    return [f"writes {', '.join(there)}" + f"; not {', '.join(absent)}" * bool(absent), libraries]


def _extra(name: str, packages: Sequence[str]) -> str:
    versions = ", ".join(f"{package} {version_of(package) or 'missing'}" for package in packages)
    return f"{name}: {versions}"
