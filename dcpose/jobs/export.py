"""What tools/export.py does: from weights to a file of another runtime."""

from collections.abc import Sequence
from pathlib import Path

from dcpose.build.export import ExportOptions, export_model
from dcpose.build.model import build_model
from dcpose.build.weights import config_of_weights
from dcpose.config.loading import load_config
from dcpose.deploy.exported import ExportedCard


def export(
    cfg: str | None,
    weights: Path,
    out: Path,
    options: ExportOptions,
    overrides: Sequence[str] = (),
) -> ExportedCard:
    """Write an exported network and its card, once it is proven; see `export_model`.

    Args:
        cfg: config of the model; None takes what the weights tell.
        weights: file of weights.
        out: file to write.
        options: what it is like.
        overrides: config keys, `key=value`.

    Raises:
        FileNotFoundError: if there are no such weights.
        ValueError: if the weights do not fit, or as `export_model`.
    """
    if cfg is None:
        config, read = config_of_weights(weights, overrides)
        return export_model(config, build_model(config, read), weights, out, options)
    config = load_config(cfg, overrides)
    return export_model(config, build_model(config, weights), weights, out, options)
