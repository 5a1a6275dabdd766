"""Write the weights that come with the package, in float16, and their cards.

python scripts/pack_model.py --pose RUN/checkpoints/last.pt --facts FILE [--detector RUN/last.pt]
    [--even-logit X] [--out DIR]

FACTS is YAML: for `pose` and `detector` what their cards say besides: how they were trained, on
what, the licences of all inputs, the measured figures and the limits.
"""

import argparse
import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import save_file
from torch import Tensor

from dcpose.cli import reports_user_errors
from dcpose.config.models import ModelSection
from dcpose.detection.packaged import EVEN_LOGIT
from dcpose.engine.run.checkpoint import load_checkpoint
from dcpose.files.writing import replacing, write_text
from dcpose.weights.packaged import FOLDER
from dcpose.weights.reading import sha256_of

CARD_FORMAT = "dcpose-packaged-1"
START_ONLY = ("weights", "frozen_blocks", "trunk_bn", "pretrained")
"""Keys of a backbone that only training looks at."""
LARGEST = {"pose": 16_000_000, "person_detector": 8_000_000}
"""Bytes."""


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pose", type=Path, required=True, help="checkpoint of a training")
    parser.add_argument("--detector", type=Path, help="file of the detector's run")
    parser.add_argument("--facts", type=Path, required=True, help="YAML for the cards")
    parser.add_argument(
        "--even-logit", type=float, default=0.0, help="the detector's logit that gets score 0.5"
    )
    parser.add_argument("--out", type=Path, default=FOLDER)
    args = parser.parse_args(argv)
    facts = yaml.safe_load(args.facts.read_text(encoding="utf-8"))
    pose = load_checkpoint(args.pose)
    write_model(args.out, "pose", pose["model"], facts["pose"], {}, config_keys(pose["config"]))
    if args.detector is None:
        return 0
    detector = torch.load(args.detector, weights_only=True)["model"]
    metadata = {EVEN_LOGIT: str(args.even_logit)}
    write_model(args.out, "person_detector", detector, facts["detector"], metadata, {})
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
    name: str,
    state: Mapping[str, Tensor],
    facts: Mapping[str, Any],
    metadata: dict[str, str],
    config: Mapping[str, Any],
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
    file = out / f"{name}.safetensors"
    with replacing(file) as unfinished:
        save_file(halves, unfinished, metadata)
    if file.stat().st_size > LARGEST[name]:
        raise ValueError(
            f"{file} has {file.stat().st_size} bytes, expected {LARGEST[name]} at most"
        )
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
