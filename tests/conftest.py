"""Fixtures that all tests share."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


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
