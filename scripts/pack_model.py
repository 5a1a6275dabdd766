"""Write weights that come with the package, in float16, and their card.

python scripts/pack_model.py --pose RUN/checkpoints/last.pt [MORE ...] --facts FILE [--out DIR]
python scripts/pack_model.py --dcpose RUN/checkpoints/last.pt --facts FILE [--out DIR]
python scripts/pack_model.py --detector RUN/last.pt --facts FILE [--out DIR]

Of several checkpoints the mean of their weights is written (Wortsman et al. 2022, model soups):
trainings that start from the same network.

FACTS is YAML: for `pose`, `dcpose` and `person_detector`, what their cards say besides: how they
were trained, on what, the licences of all inputs, the measured figures and the limits.
"""

import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
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
LARGEST = {"pose": 8_000_000, "dcpose": 8_000_000, "person_detector": 8_000_000}
"""Bytes."""


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = documented_parser(__doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--pose", type=Path, nargs="+", help="checkpoints of the single-frame network"
    )
    which.add_argument("--dcpose", type=Path, help="checkpoint of DCPose on it")
    which.add_argument("--detector", type=Path, help="file of the detector's run")
    parser.add_argument("--facts", type=Path, required=True, help="YAML for the cards")
    parser.add_argument("--out", type=Path, default=FOLDER)
    args = parser.parse_args(argv)
    facts = yaml.safe_load(args.facts.read_text(encoding="utf-8"))
    if args.pose or args.dcpose:
        name = "pose" if args.pose else "dcpose"
        config, state = mean_of(args.pose or [args.dcpose])
        write_model(args.out, name, state, {"config": config} | facts[name])
    else:
        state = torch.load(args.detector, weights_only=True)["model"]
        write_model(args.out, "person_detector", state, facts["person_detector"])
    return 0


def mean_of(files: Sequence[Path]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return what inference has to know of the runs of checkpoints, and the mean of their weights.

    Raises:
        ValueError: if they are of different networks.
    """
    trained = [load_checkpoint(file) for file in files]
    config, state = config_keys(trained[0]["config"]), dict(trained[0]["model"])
    for file, other in zip(files[1:], trained[1:], strict=True):
        found = config_keys(other["config"])
        differing = sorted(key for key in config | found if config.get(key) != found.get(key))
        if differing:
            raise ValueError(
                f"{file}: differs from {files[0]} in {', '.join(differing)}; a mean is of the "
                "weights of one network"
            )
    for key, value in state.items():
        if value.is_floating_point():
            mean = torch.stack([one["model"][key].double() for one in trained]).mean(dim=0)
            state[key] = mean.to(value.dtype)
    return config, state


def config_keys(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what inference has to know of a run's config, as dotted keys."""
    wanted = (
        ("data", ("crop_wh", "sigma", "box_enlarge")),
        ("test", ("box_enlarge", "flip", "zoom")),
    )
    keys = {f"{part}.{name}": config[part][name] for part, names in wanted for name in names}
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
    out: Path, name: str, state: Mapping[str, Tensor], facts: Mapping[str, Any]
) -> None:
    """Write `<name>.safetensors` and its card `<name>.json`.

    Raises:
        ValueError: if the file is too large to come with the package, or a weight is too large for
            float16.
    """
    halves = {}
    for key, value in state.items():
        half = value.half() if value.is_floating_point() else value
        if not half.isfinite().all():
            raise ValueError(f"{name}: {key} does not fit into float16, up to {value.abs().max()}")
        halves[key] = half.contiguous()
    file, largest = out / f"{name}.safetensors", LARGEST[name]
    with replacing(file) as unfinished:
        save_file(halves, unfinished)
    if file.stat().st_size > largest:
        raise ValueError(f"{file} has {file.stat().st_size} bytes, expected {largest} at most")
    versions = {part: importlib.metadata.version(part) for part in ("torch", "numpy")}
    card = {
        "format": CARD_FORMAT,
        "file": file.name,
        "sha256": sha256_of(file),
        "bytes": file.stat().st_size,
        "parameters": sum(value.numel() for value in state.values()),
        **facts,
        "versions": versions,
    }
    write_text(file.with_suffix(".json"), json.dumps(card, indent=1) + "\n")
    print(f"{file}: {file.stat().st_size} bytes")


if __name__ == "__main__":
    raise SystemExit(main())
