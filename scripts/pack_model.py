"""Write the weights that come with the package, in float16, and their card.

python scripts/pack_model.py --pose RUN/checkpoints/last.pt --facts FILE [--out DIR]

FACTS is YAML: what the card says besides: how they were trained, on what, the licences of all
inputs, the measured figures and the limits.
"""

import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from safetensors.torch import save_file
from torch import Tensor

from dcpose.cli import documented_parser, reports_user_errors
from dcpose.config.models import ModelSection
from dcpose.engine.run.checkpoint import load_checkpoint
from dcpose.files.writing import replacing, write_text
from dcpose.weights.packaged import FOLDER
from dcpose.weights.reading import sha256_of

CARD_FORMAT = "dcpose-packaged-1"
START_ONLY = ("weights", "frozen_blocks", "trunk_bn", "pretrained")
"""Keys of a backbone that only training looks at."""
LARGEST = 16_000_000
"""Bytes."""


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = documented_parser(__doc__)
    parser.add_argument("--pose", type=Path, required=True, help="checkpoint of a training")
    parser.add_argument("--facts", type=Path, required=True, help="YAML for the card")
    parser.add_argument("--out", type=Path, default=FOLDER)
    args = parser.parse_args(argv)
    facts = yaml.safe_load(args.facts.read_text(encoding="utf-8"))
    pose = load_checkpoint(args.pose)
    write_model(args.out, pose["model"], facts, config_keys(pose["config"]))
    return 0


def config_keys(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what inference has to know of a run's config, as dotted keys."""
    keys: dict[str, Any] = {f"data.{name}": config["data"][name] for name in ("crop_wh", "sigma")}
    keys["test.flip"] = config["test"]["flip"]
    known = ModelSection.members()[config["model"]["name"]].model_fields
    for name, value in config["model"].items():
        if name not in known:  # of another model
            continue
        if isinstance(value, Mapping):
            keys |= {f"model.{name}.{k}": v for k, v in value.items() if k not in START_ONLY}
        else:
            keys[f"model.{name}"] = value
    return keys


def write_model(
    out: Path,
    state: Mapping[str, Tensor],
    facts: Mapping[str, Any],
    config: Mapping[str, Any],
) -> None:
    """Write `pose.safetensors` and its card `pose.json`.

    Raises:
        ValueError: if the file is too large to come with the package, or a weight is too large for
            float16.
    """
    halves = {}
    for key, value in state.items():
        half = value.half() if value.is_floating_point() else value
        if not half.isfinite().all():
            raise ValueError(f"{key} does not fit into float16, up to {value.abs().max()}")
        halves[key] = half.contiguous()
    file = out / "pose.safetensors"
    with replacing(file) as unfinished:
        save_file(halves, unfinished)
    if file.stat().st_size > LARGEST:
        raise ValueError(f"{file} has {file.stat().st_size} bytes, expected {LARGEST} at most")
    versions = {part: importlib.metadata.version(part) for part in ("torch", "numpy")}
    card = {
        "format": CARD_FORMAT,
        "file": file.name,
        "sha256": sha256_of(file),
        "bytes": file.stat().st_size,
        "parameters": sum(value.numel() for value in state.values()),
        "config": dict(config),
        **facts,
        "versions": versions,
    }
    write_text(file.with_suffix(".json"), json.dumps(card, indent=1) + "\n")
    print(f"{file}: {file.stat().st_size} bytes")


if __name__ == "__main__":
    raise SystemExit(main())
