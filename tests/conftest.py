"""Fixtures that all tests share."""

import importlib.util
import json
import logging
import zlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import yaml
from hypothesis import settings

# how long an example takes depends on the machine and on what else it does
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

pytest_plugins = [
    "fixtures.data_folder",
    "fixtures.misbehaving_server",
    "fixtures.networks",
    "fixtures.posetrack_files",
    "fixtures.processes",
    "fixtures.rtsp_server",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with files of slow tests: one of them at the end would keep one process busy alone."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


REPOSITORY = Path(__file__).resolve().parents[1]
SAMPLE = REPOSITORY / "datasets" / "sample"

TINY = {
    "experiment": "tiny",
    "data": {"root": str(SAMPLE), "crop_wh": [32, 32], "sigma": 1.0, "workers": 0},
    "model": {
        "backbone": {
            "width": 4, "modules": [1, 1, 1], "blocks": 1, "stem_channels": 4, "frozen": False
        },
        "prf": {"blocks": 1, "channels": 17},
        "fusion": {"blocks": 1, "channels": 8},
        "pcn": {"dilations": [1]},
    },
    "train": {"epochs": 1, "batch_size": 40, "loggers": []},  # pictures take as long as training
    "optim": {"lr": 1.0e-3, "milestones": [2]},
    "test": {"batch_size": 8, "runtime": "torch"},  # of processes that tests start, too
}  # fmt: skip


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """The networks here are too small to share; on busy cores threads that do wait for long."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _torch_unless_asked():
    """What `test.runtime=auto` takes here: exporting takes longer than most tests compute."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dcpose.files.packages.installed", lambda *packages: False)
        yield


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Reference material beside the checkout: golden cases and real frames."""
    path = REPOSITORY.parent / "shared"
    if not (path / "goldens").is_dir():
        pytest.skip(f"no golden cases at {path}")
    return path


@pytest.fixture(scope="session")
def load_command() -> Callable[[str], ModuleType]:
    """Loads a file of tools/ or scripts/, which are no packages: `load_command("tools/val.py")`."""

    def load(relative: str) -> ModuleType:
        path = REPOSITORY / relative
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def sample_dir() -> Path:
    """The data set in the checkout: two training and two validation videos."""
    return SAMPLE


@pytest.fixture(scope="session")
def few_detections(tmp_path_factory, sample_dir) -> Path:
    """Every fifth detection of the sample's test split; one of them has a low score."""
    detections = json.loads((sample_dir / "detections" / "test.json").read_text())
    path = tmp_path_factory.mktemp("detections") / "test.json"
    path.write_text(json.dumps(detections[::5]))
    return path


@pytest.fixture(scope="session")
def few_people(tmp_path_factory, sample_dir, few_detections) -> list[str]:
    """Overrides that leave eight people in each video of the sample, and few detections."""
    overrides = [f"data.test_detections={few_detections}"]
    for split in ("train", "val"):
        folder = tmp_path_factory.mktemp(split)
        for path in (sample_dir / "annotations" / split).iterdir():
            content = json.loads(path.read_text())
            content["annotations"] = content["annotations"][:8]
            (folder / path.name).write_text(json.dumps(content))
        overrides.append(f"data.{split}_annotations={folder}")
    return overrides


@pytest.fixture(scope="session")
def tiny_cfg(tmp_path_factory) -> Path:
    """Config file of a DCPose that learns from the sample in seconds, backbone included."""
    path = tmp_path_factory.mktemp("config") / "tiny.yaml"
    path.write_text(yaml.safe_dump(TINY))
    return path


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory, tiny_cfg, formula_weights) -> Path:
    """Weights of the model of `tiny_cfg` that give lively heatmaps."""
    from dcpose import build_model, load_config

    path = tmp_path_factory.mktemp("weights") / "tiny.pth"
    state = build_model(load_config(tiny_cfg)).state_dict()
    torch.save(formula_weights({name: tensor.shape for name, tensor in state.items()}, 0), path)
    return path


@pytest.fixture(autouse=True)
def _log_handlers_as_before():
    """A command sends the log where its own test looks; the next test gets it back."""
    logger = logging.getLogger("dcpose")
    before = list(logger.handlers), logger.propagate, logger.level
    yield
    for handler in logger.handlers:
        if handler not in before[0]:
            handler.close()
    logger.handlers[:], logger.propagate, logger.level = before


@pytest.fixture
def run_here(tmp_path, monkeypatch) -> Path:
    """Makes tmp_path the working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


TABLES = ("pos_embed", "position_embeddings", "query_feat.weight", "query_pe.weight")
"""Ends of names of entries that the general rule would make too small to matter."""


def _formula_entry(name, shape, seed):
    draws = np.random.Generator(np.random.PCG64([seed, zlib.crc32(name.encode())]))
    if name.endswith(TABLES):
        return torch.from_numpy(draws.normal(0, 0.5, shape).astype(np.float32))
    if name.endswith("num_batches_tracked"):
        return torch.tensor(1000)
    if name.endswith("running_var"):
        values = draws.uniform(0.5, 1.5, shape)
    elif name.endswith("running_mean"):
        values = draws.normal(0, 0.1, shape)
    elif len(shape) == 1 and name.endswith("weight"):
        values = draws.uniform(0.5, 1.0, shape)
    elif len(shape) == 1:
        values = draws.normal(0, 0.05, shape)
    else:
        values = draws.normal(0, 1, shape) / np.sqrt(np.prod(shape[1:]))
    return torch.from_numpy(values.astype(np.float32))


@pytest.fixture(scope="session")
def formula_weights():
    """Function (names with shapes, seed) -> state dict, as the golden cases describe it."""
    return lambda shapes, seed: {k: _formula_entry(k, s, seed) for k, s in shapes.items()}


@pytest.fixture(scope="session")
def golden_case(shared_dir):
    """Function (name, folder of the golden cases) -> (description, arrays) of a golden case."""

    def read(name, subject="network"):
        folder = shared_dir / "goldens" / subject
        description = json.loads((folder / f"{name}.json").read_text())
        return description, np.load(folder / f"{name}.npz")

    return read
