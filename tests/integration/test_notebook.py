"""docs/notebooks/quickstart.ipynb runs from top to bottom, smaller; and holds no outputs."""

import json
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).resolve().parents[2] / "docs" / "notebooks" / "quickstart.ipynb"
SMALLER = "\nTRAIN_VIDEOS, VAL_VIDEOS, FRAMES, EPOCHS = 1, 1, 4, 2\n"


def tags_of(cell):
    return cell["metadata"].get("tags", [])


@pytest.fixture(scope="module")
def cells():
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["metadata"]["kernelspec"]["name"]) == (4, "python3")
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_it_holds_no_outputs(cells):
    assert not any(cell["outputs"] or cell["execution_count"] for cell in cells)


def test_it_is_formatted():
    """As this project's code is, which ruff knows notebooks for."""
    command = [sys.executable, "-m", "ruff", "format", "--check", str(NOTEBOOK)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_it_runs(cells, run_here, capsys):
    """But for its first cell, which installs what is here already (test_wheel.py)."""
    names = {"__name__": "__main__"}
    for cell in cells:
        source = "".join(cell["source"])
        if "install" in tags_of(cell):
            assert source == "%pip install -q ../.."
            continue
        if "parameters" in tags_of(cell):
            source += SMALLER
        with warnings.catch_warnings():
            warnings.filterwarnings("error", category=DeprecationWarning, module="__main__")
            exec(source, names)  # noqa: S102 - as a notebook does
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("4 frames, ")
    assert any(line.startswith("dcpose        AP ") for line in printed), printed
    assert printed[-1].endswith(", 17, 2)")
    for file in ("dcpose/checkpoints/last.pt", "val/single_frame/results.json", "dcpose.pt2.json"):
        assert (run_here / "quickstart_notebook" / file).stat().st_size > 0, file
