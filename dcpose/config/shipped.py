"""The configs that come with the package: `configs/` of a checkout, package data of a wheel."""

import difflib
from pathlib import Path

from dcpose.config.messages import ConfigError
from dcpose.files.reading import named_path

_PACKAGE = Path(__file__).resolve().parents[1]


def shipped_configs() -> Path:
    """Return the folder of the configs that come with the package."""
    inside = _PACKAGE / "configs"  # of a wheel; a checkout has it beside the package
    return inside if inside.is_dir() else _PACKAGE.parent / "configs"


def find_config(name: str | Path) -> Path:
    """Return the file that a path or a name means.

    Args:
        name: a path, or where no such file is, the name of a shipped one, with or without its
            ending and the folder: `posetrack18/dcpose_hrnet_w48`,
            `configs/skeletons/posetrack.yaml`.

    Raises:
        ConfigError: if there is neither; it names the nearest shipped ones.
    """
    path = named_path(name)
    try:
        if path.exists() or "\0" in str(path):
            return path
    except OSError:  # too long for a name, say: reading it tells
        return path
    shipped = shipped_configs()
    names = {file.relative_to(shipped).with_suffix("").as_posix(): file
             for file in sorted(shipped.rglob("*.yaml"))}  # fmt: skip
    wanted = path.as_posix().removeprefix("configs/").removesuffix(".yaml")
    if wanted in names:
        return names[wanted]
    near = difflib.get_close_matches(wanted, names, n=3, cutoff=0.5)
    shipped_ones = f", or take a shipped one: {', '.join(near)}" if near else ""
    raise ConfigError(f"{name}: no such config file; check the path{shipped_ones}")
