"""DCPose: multi-frame human pose estimation in video.

Public names are loaded when first used, so that importing dcpose does not import torch.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dcpose.build.model import build_model
    from dcpose.config.loading import load_config
    from dcpose.config.schema import Config
    from dcpose.estimator.estimator import PoseEstimator

__version__ = "0.1.0"

__all__ = ["Config", "PoseEstimator", "__version__", "build_model", "load_config"]

_HOME_OF = {
    "Config": "dcpose.config.schema",
    "load_config": "dcpose.config.loading",
    "build_model": "dcpose.build.model",
    "PoseEstimator": "dcpose.estimator.estimator",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public object
    if name not in _HOME_OF:
        raise AttributeError(f"module 'dcpose' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return __all__
