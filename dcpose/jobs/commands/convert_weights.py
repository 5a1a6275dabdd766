"""Convert weights of other projects to safetensors, say what a file is, list what can be fetched.

dcpose convert --from auto|dcpose|hrnet|mmpose|... SRC DST
dcpose convert --inspect FILE
dcpose convert --list

Converting is never needed: `--weights` and `model.backbone.weights` read all these files as they
are. It gives a file that cannot hold code, with one kind of names, and DST's card, a JSON file
beside it: where the weights come from, their SHA-256, the config that fits, licence and versions.
"""

import argparse
import importlib.metadata
import json
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, get_args

import torch
from safetensors.torch import save_file

import dcpose
from dcpose.build.weights import Inspection, inspect_weights
from dcpose.cli import documented_parser, reports_user_errors
from dcpose.config.loading import config_to_dict, load_config
from dcpose.config.shipped import shipped_configs
from dcpose.engine.run.resume_rules import flat_config
from dcpose.files.writing import replacing, write_text
from dcpose.weights.hub import local_weights
from dcpose.weights.layouts.layout import Source
from dcpose.weights.loading import WITHOUT
from dcpose.weights.reading import check_hash, sha256_of
from dcpose.weights.zoo import zoo_text

CARD_FORMAT = "dcpose-weights-card-1"
EXIT_PROBLEM = 1


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = documented_parser(__doc__)
    parser.add_argument(
        "--from",
        dest="source",
        choices=("auto", *get_args(Source)),
        default="auto",
        help="what SRC must be; auto (default) takes any layout that is known",
    )
    parser.add_argument("--sha256", help="SHA-256 that the file must have, or its first digits")
    parser.add_argument("--inspect", metavar="FILE", help="only tell what FILE is")
    parser.add_argument(
        "--list", action="store_true", help="only tell what others published, where, on what terms"
    )
    parser.add_argument("src", nargs="?", metavar="SRC", help="file to convert, or where it is")
    parser.add_argument("dst", nargs="?", type=Path, metavar="DST", help="NAME.safetensors")
    arguments = parser.parse_args(argv)
    if arguments.inspect is None and arguments.dst is None and not arguments.list:
        parser.error("expected SRC and DST, --inspect FILE or --list")
    if arguments.inspect is not None and arguments.src is not None:
        parser.error("--inspect FILE writes nothing, so it takes no SRC and DST")
    return arguments


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Return 0; 1 if an inspected file would not load; 2 after one line that says what is wrong."""
    arguments = parse_arguments(argv)
    if arguments.list:
        print(zoo_text())
        return 0
    if arguments.inspect is not None:
        file = local_weights(arguments.inspect)
        inspection = inspect_weights(file)
        print(describe(inspection, check_hash(file, arguments.sha256)))
        return EXIT_PROBLEM if inspection.problem else 0
    card = convert(local_weights(arguments.src), arguments.dst, arguments.source, arguments.sha256)
    print(f"{arguments.dst}: {card['tensors']} tensors, from {card['source']['layout']}")
    print(f"{card_path(arguments.dst)}: {card['licence']}")
    return 0


def convert(src: Path, dst: Path, source: str, sha256: str | None) -> dict[str, Any]:
    """Write the weights of `src`, under our names, to `dst`, and a card beside it.

    Args:
        src: file in any layout that is known.
        dst: a `.safetensors` file to write or replace.
        source: the layout that `src` must have, or "auto".
        sha256: SHA-256 that `src` must have, see `check_hash`.

    Returns:
        What the card holds.

    Raises:
        ValueError: if `src` is damaged, of another layout, or not wholly accounted for; or if
            `dst` is no safetensors file.
    """
    if dst.suffix != ".safetensors":
        raise ValueError(f"DST is {dst}, expected a name that ends in .safetensors")
    if dst.exists() and src.exists() and dst.samefile(src):
        raise ValueError(f"SRC and DST are the same file, {src}; name another DST")
    inspection = inspect_weights(src)
    read = inspection.weights
    layout = read.named.layout
    if source not in ("auto", layout.source):
        raise ValueError(
            f"{src} has the layout of {layout.title}, expected {source}; use --from {layout.source}"
        )
    if inspection.problem:
        raise ValueError(inspection.problem)
    source_hash = check_hash(src, sha256)
    state = {
        name: tensor.clone(memory_format=torch.contiguous_format)  # entries may share memory
        for name, tensor in read.named.state.items()
    }
    without = {WITHOUT: ",".join(read.without)} if read.without else {}
    with replacing(dst) as temporary:
        save_file(state, temporary, {"format": "pt", **without})
    card = card_of(inspection, source_hash, dst, len(state))
    write_text(card_path(dst), json.dumps(card, indent=1) + "\n")
    return card


def card_path(dst: Path) -> Path:
    """Return the name of the card of a converted file."""
    return dst.with_suffix(".json")


def card_of(
    inspection: Inspection, source_hash: str, dst: Path, num_tensors: int
) -> dict[str, Any]:
    """Return what a card says about the converted file `dst`."""
    path, layout = inspection.weights.path, inspection.weights.named.layout
    return {
        "format": CARD_FORMAT,
        "file": dst.name,
        "sha256": sha256_of(dst),
        "bytes": dst.stat().st_size,
        "tensors": num_tensors,
        "source": {
            "file": path.name,
            "sha256": source_hash,
            "bytes": path.stat().st_size,
            "layout": layout.title,
        },
        "config": inspection.config,
        "configs": fitting_configs(inspection.config),
        "image_channels": layout.colours,
        "without": list(inspection.weights.without),
        "left_out": _left_out(inspection),
        "notes": list(inspection.notes),
        "licence": layout.terms,
        "versions": _versions(),
    }


def describe(inspection: Inspection, file_hash: str) -> str:
    """Return the text that --inspect prints."""
    config, path, named = inspection.config, inspection.weights.path, inspection.weights.named
    left_out = _left_out(inspection)
    lines = {
        "file": f"{path}, {path.stat().st_size} bytes, SHA-256 {file_hash}",
        "layout": f"{named.layout.title}: {len(named.state)} tensors, "
        f"{inspection.num_parameters} parameters",
        "config": " ".join(f"{key}={_as_override(value)}" for key, value in config.items()),
        "fits": ", ".join(fitting_configs(config)) or "no config that is shipped",
        "loads as": _ways_to_load(inspection),
        "images": named.layout.colours,
        "left out": ", ".join(f"{n} x {part}" for part, n in left_out.items()) or "nothing",
        "notes": "; ".join(inspection.notes) or "none",
        "licence": named.layout.terms,
        "problem": inspection.problem or "none",
    }
    return "\n".join(f"{label:<9} {text}" for label, text in lines.items())


def fitting_configs(config: Mapping[str, Any]) -> list[str]:
    """Return the shipped configs of runs whose model is the one of `config`."""
    return [
        path
        for path, values in _shipped_runs().items()
        if all(_agrees(key, values.get(key), value) for key, value in config.items())
    ]


@cache  # they take a second to read
def _shipped_runs() -> dict[str, dict[str, Any]]:
    """Return all dotted keys of the shipped configs of runs, by their path."""
    configs, runs = shipped_configs(), {}
    for path in sorted(configs.glob("*/*.yaml")):
        try:
            values = flat_config(config_to_dict(load_config(path)))
        except ValueError:
            continue  # no run: a parent of configs, or a skeleton
        runs[path.relative_to(configs.parent).as_posix()] = values
    return runs


def _agrees(key: str, shipped: Any, found: Any) -> bool:  # noqa: ANN401 - config values
    if key == "model.neighbors" and isinstance(shipped, list):
        return len(shipped) == len(found)  # shapes tell how many frames are fed, not which
    return bool(shipped == found)


def _ways_to_load(inspection: Inspection) -> str:
    if inspection.problem:
        return "nothing, see problem"
    anew = ", its output layer is initialised anew" if inspection.weights.without else ""
    whole = [] if inspection.weights.without else ["--weights"]
    return "; ".join([*whole, f"model.backbone.weights{anew}"])


def _left_out(inspection: Inspection) -> dict[str, int]:
    return dict(Counter(name.split(".")[0] for name in inspection.weights.named.left_out))


def _as_override(value: object) -> str:
    if value is None or isinstance(value, list | bool):
        return json.dumps(value, separators=(",", ":"))
    return str(value)


def _versions() -> dict[str, str]:
    return {
        "dcpose": dcpose.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "safetensors": importlib.metadata.version("safetensors"),
    }
