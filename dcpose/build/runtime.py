"""Weights become what finds heatmaps: a model, or an exported network in its runtime."""

import hashlib
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from filelock import FileLock

import dcpose
from dcpose.build.data import build_clip_options, build_skeleton
from dcpose.build.export import ExportOptions, export_model
from dcpose.build.model import build_model
from dcpose.config.layers import Layer, read_overrides
from dcpose.config.loading import config_to_dict, parse_config
from dcpose.config.schema import Config
from dcpose.deploy.exported import card_path, ending_of, kind_of, read_card
from dcpose.deploy.runtimes import PROVIDERS, ExportedNetwork
from dcpose.files import packages
from dcpose.files.cache_dir import default_cache_dir
from dcpose.models.interface import TemporalModel
from dcpose.weights.hub import local_weights
from dcpose.weights.loading import ReadWeights
from dcpose.weights.reading import weights_hash

_log = logging.getLogger(__name__)

Network = TemporalModel | ExportedNetwork


def build_network(cfg: Config, weights: str | Path | ReadWeights, device: torch.device) -> Network:
    """Build what a config and weights give, in eval mode on a device.

    An exported file runs in the runtime that it is for. Other weights run in torch, or, where
    `test.runtime` names another one or means it, are exported once into the user's cache.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if weights do not fit, a runtime is missing, providers are named for another
            one than ONNX's, or a file was exported for something else than the config asks for.
    """
    path = weights.path if isinstance(weights, ReadWeights) else Path(weights)
    kind = kind_of(path) or runtime_of(cfg, device)
    if cfg.test.providers is not None and kind != "onnx":
        raise ValueError(
            f"test.providers: {', '.join(cfg.test.providers)} are of ONNX Runtime, but the network "
            f"runs in {kind}; set test.runtime=onnx, or test.providers=null"
        )
    if kind_of(path) is not None:
        return _load(cfg, path, device)
    found = weights if isinstance(weights, ReadWeights) else local_weights(weights)
    if kind == "torch":
        return build_model(cfg, found).to(device)
    try:
        return _load(cfg, _exported_once(cfg, found, kind, device), device)
    except (ValueError, OSError, RuntimeError) as error:
        if cfg.test.runtime != "auto":
            raise
        model = build_model(cfg, found)  # raises again if it is the weights that are wrong
        _log.warning("%s; the network runs in torch (test.runtime=torch says so at once)", error)
        return model.to(device)


def runtime_of(cfg: Config, device: torch.device) -> Literal["torch", "onnx", "openvino"]:
    """Return what `test.runtime` means on a device."""
    test = cfg.test
    if test.runtime != "auto":
        return test.runtime
    plain = device.type == "cpu" and test.fast and test.precision in ("auto", "fp32")
    return "onnx" if plain and packages.installed("onnx", "onnxscript", "onnxruntime") else "torch"


def config_of_exported(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Return the config that is in the card of an exported file; see `load_config`.

    Raises:
        FileNotFoundError: if the file or its card is not there.
        ValueError: if the card cannot be used.
    """
    card = read_card(path)
    return parse_config([Layer(str(card_path(path)), card.config), read_overrides(overrides)])


def _load(cfg: Config, path: Path, device: torch.device) -> ExportedNetwork:
    card = read_card(path)
    if cfg.test.runtime not in ("auto", "torch", card.kind):
        raise ValueError(
            f"test.runtime: found {cfg.test.runtime}, expected {card.kind}, for which {path} was "
            "exported"
        )
    for key, found, expected in (
        ("data.crop_wh", list(cfg.data.crop_wh), list(card.crop_wh)),
        ("frames of a clip", build_clip_options(cfg, training=False).frames, card.frames),
        ("joints of the skeleton", tuple(build_skeleton(cfg).joint_names), card.joints),
    ):
        if found != expected:
            raise ValueError(
                f"{key}: found {found}, expected {expected}, for which {path} was exported; "
                "export the weights again with tools/export.py"
            )
    return ExportedNetwork(path, device.type, providers=cfg.test.providers)


def _exported_once(
    cfg: Config,
    weights: Path | ReadWeights,
    runtime: Literal["onnx", "openvino"],
    device: torch.device,
) -> Path:
    """Return the exported form of weights in the user's cache, which is made if it is not there."""
    if cfg.test.precision not in ("auto", "fp32", "fp16"):
        raise ValueError(
            f"test.precision: found {cfg.test.precision}, expected auto, fp32 or fp16 with "
            f"test.runtime={runtime}"
        )
    file = weights.path if isinstance(weights, ReadWeights) else weights
    on_cpu = list(cfg.test.providers or PROVIDERS[device.type]) == PROVIDERS["cpu"]
    options = ExportOptions(
        runtime,
        precision="fp16" if cfg.test.precision == "fp16" else "fp32",
        winograd=runtime == "onnx" and on_cpu,
    )
    settings = config_to_dict(cfg)
    what = [
        *(dcpose.__version__, torch.__version__, str(options), weights_hash(file)),
        *(settings["model"], settings["data"]["crop_wh"], build_skeleton(cfg).joint_names),
        str(build_clip_options(cfg, training=False).frames),
    ]
    name = hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]
    path = default_cache_dir() / "exported" / f"{name}{ending_of(runtime)}"
    if not _is_whole(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f"{name}.lock")):  # other processes wait, and find it there
            if not _is_whole(path):
                _log.info(
                    "exporting %s for %s, once, to %s (test.runtime=torch does without)",
                    *(file, runtime, path),
                )
                card = export_model(cfg, build_model(cfg, weights), file, path, options)
                _log.info("%s", card.parity.line() if card.parity else "")
    return path


def _is_whole(path: Path) -> bool:
    """Return whether an exported file and its card are there."""
    return path.is_file() and card_path(path).is_file()
