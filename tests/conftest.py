"""Fixtures that all tests share."""

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Reference material beside the checkout: golden cases and real frames."""
    path = REPOSITORY.parent / "shared"
    if not (path / "goldens").is_dir():
        pytest.skip(f"no golden cases at {path}")
    return path
