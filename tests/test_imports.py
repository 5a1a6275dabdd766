"""Imports point one way, and importing does nothing.

The house (from the top): tools and scripts; jobs, estimator and build; engine and report; data,
models, evaluation, losses, tracking, video and visualize, which never import each other; the leaves
skeleton, structures, geometry, heatmap, frame_names, files, safe_files, yaml_files, threads and
config. When this test fails, move the shared piece down to a leaf, or pass the object in as an
argument; do not add to the table unless the house itself changes.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = REPOSITORY / "dcpose"

LEAVES = {
    "skeleton",
    "skeleton_files",
    "structures",
    "geometry",
    "heatmap",
    "frame_names",
    "files",
    "safe_files",
    "yaml_files",
    "threads",
}
CONFIG = {"config", "config_files", "config_messages"}
PARTS = {"data", "models", "evaluation", "losses", "tracking", "video", "visualize"}
UNDER_ESTIMATOR = {"results", "person_detectors", "live_poses", "weights_config"}
ALLOWED = {
    "skeleton": set(),
    "skeleton_files": {"skeleton", "yaml_files"},
    "structures": set(),
    "geometry": set(),
    "heatmap": set(),
    "frame_names": set(),
    "files": set(),
    "safe_files": set(),
    "threads": set(),
    "yaml_files": {"safe_files"},
    "config_messages": set(),
    "config_files": CONFIG | {"yaml_files"},
    "config": CONFIG,
    **{part: LEAVES | {part} for part in PARTS},
    "engine": LEAVES | {"engine", "losses", "visualize"},
    "report": LEAVES | {"report", "evaluation", "visualize"},
    "build": LEAVES | CONFIG | PARTS | {"engine"},
    "results": LEAVES | {"evaluation"},
    "person_detectors": LEAVES | PARTS | {"engine"},
    "live_poses": LEAVES | PARTS | {"engine", "person_detectors", "results"},
    "boxes_file": LEAVES | PARTS | {"live_poses"},
    "interrupts": set(),
    "infer_job": LEAVES | PARTS | {"engine", "interrupts", "results"},
    "weights_config": LEAVES | CONFIG | PARTS | {"engine"},
    "estimator": LEAVES | CONFIG | PARTS | UNDER_ESTIMATOR | {"engine", "build"},
    "jobs": LEAVES | CONFIG | PARTS | {"engine", "build"},
    "cli": set(),
}


def room_of(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def imported_modules(path: Path) -> set[str]:
    modules = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write the full module name"
            modules.add(node.module)
            modules.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
    return modules


MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path):
    rooms = {name.split(".")[1] for name in imported_modules(path) if name.startswith("dcpose.")}
    forbidden = rooms - ALLOWED[room_of(path)] - {room_of(path)}
    assert not forbidden, f"{path.name} is in {room_of(path)} and may not import {forbidden}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nobody_imports_tools_or_scripts(path):
    assert not {name.split(".")[0] for name in imported_modules(path)} & {
        "tools",
        "scripts",
        "benchmarks",
    }


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_config_stops_at_build(path):
    if room_of(path) in {"build", "estimator", "jobs", "cli"} | CONFIG:
        return
    text = path.read_text()
    assert "cfg" not in text, f"{path.name} mentions a config; take plain arguments instead"


def run_python(code: str) -> str:
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_importing_dcpose_does_not_import_torch():
    assert run_python("import sys, dcpose; print('torch' in sys.modules)").strip() == "False"


def test_evaluation_works_without_torch():
    code = (
        "import sys; sys.modules['torch'] = None; sys.modules['cv2'] = None\n"
        "import dcpose.evaluation.evaluator, dcpose.evaluation.export, dcpose.evaluation.report\n"
        "import dcpose.evaluation.mota"
    )
    run_python(code)


def test_tracking_works_without_torch():
    code = (
        "import sys; sys.modules['torch'] = None; sys.modules['cv2'] = None\n"
        "import dcpose.tracking.video"
    )
    run_python(code)


def test_importing_prints_nothing_and_seeds_nothing():
    names = [".".join(p.relative_to(REPOSITORY).with_suffix("").parts) for p in MODULES]
    imports = "\n".join(f"import {name.removesuffix('.__init__')}" for name in names)
    code = (
        "import random, numpy, torch\n"
        "state = (random.getstate(), torch.get_rng_state().tolist(), "
        "numpy.random.get_state()[1].tolist(), torch.get_num_threads())\n"
        f"{imports}\n"
        "assert state == (random.getstate(), torch.get_rng_state().tolist(), "
        "numpy.random.get_state()[1].tolist(), torch.get_num_threads())"
    )
    assert run_python(code) == ""
