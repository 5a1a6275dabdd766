"""Imports point one way, and importing does nothing.

The house, from the top: tools and scripts; jobs; estimator, check and report; build; engine, data,
deploy and evaluation; models, formats, detection, tracking, visualize, synthetic, video and config;
weights and files; the leaves at the root. Siblings do not meet, but for what ALLOWED says. When
this test fails, move the shared piece down, or pass the object in as an argument; do not add to the
table unless the house itself changes.
"""

import ast
import subprocess
import sys
from collections import Counter
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = REPOSITORY / "dcpose"

LEAVES = {"skeleton", "structures", "geometry", "heatmap", "losses", "threads", "iteration"}
LOW = LEAVES | {"files"}
PARTS = LOW | {"models", "formats", "detection", "tracking", "visualize", "synthetic", "video"}
LOOPS = {"engine", "data", "deploy", "evaluation"}
ALLOWED = {
    "cli": {"files"},
    "files": LEAVES,
    "weights": LOW,
    "config": LOW,
    "formats": LOW,
    "tracking": LOW,
    "visualize": LOW,
    "video": LOW,
    "synthetic": LOW | {"formats"},
    "models": LOW,
    "detection": LOW | {"weights", "models"},
    "data": LOW | {"formats"},
    "deploy": LOW | {"models"},
    "evaluation": LOW | {"formats"},
    "engine": LOW | {"visualize", "weights"},
    "build": PARTS | LOOPS | {"weights", "config"},
    "check": LOW | {"formats", "data"},
    "report": LOW | {"evaluation", "formats", "visualize"},
    "estimator": PARTS | LOOPS | {"weights", "config", "build"},
    "jobs": PARTS
    | LOOPS
    | {"weights", "config", "build", "estimator", "check", "report"}
    | {"cli"},
}


def room_of(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


@cache
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


ENTRANCES = {PACKAGE / "__init__.py", PACKAGE / "__main__.py"}
MODULES = sorted(set(PACKAGE.rglob("*.py")) - ENTRANCES)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path):
    rooms = {name.split(".")[1] for name in imported_modules(path) if name.startswith("dcpose.")}
    forbidden = rooms - ALLOWED.get(room_of(path), set()) - {room_of(path)}
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
    if room_of(path) in {"build", "estimator", "jobs", "config"}:
        return
    rooms = {".".join(name.split(".")[:2]) for name in imported_modules(path)}
    assert "dcpose.config" not in rooms, f"{path.name}: take plain arguments instead of a config"


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")


def test_imports_go_in_no_circle():
    names = {module_name(path): path for path in MODULES}
    graph = {name: imported_modules(path) & names.keys() - {name} for name, path in names.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_rooms_show_themselves():
    assert len(list(PACKAGE.glob("*.py"))) <= 10
    assert len(ALLOWED) <= 20
    families = Counter((path.parent, path.stem.split("_")[0]) for path in MODULES)
    assert [family for family, count in families.items() if count > 3] == []


def run_python(code: str) -> str:
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_commands_start_without_what_is_slow_to_import():
    slow = {"torchvision", "torch._dynamo", "scipy.optimize", "scipy.interpolate", "onnx", "pandas"}
    found = run_python(
        "import importlib, sys\n"
        "for command in ('infer', 'train', 'val', 'test'):\n"
        "    importlib.import_module(f'dcpose.jobs.commands.{command}')\n"
        f"    print(*(f'{{command}} imports {{name}}' for name in {slow} & sys.modules.keys()))"
    )
    assert not found.strip(), found


def test_importing_dcpose_does_not_import_torch():
    assert run_python("import sys, dcpose; print('torch' in sys.modules)").strip() == "False"


def test_evaluation_works_without_torch():
    code = (
        "import sys; sys.modules['torch'] = None; sys.modules['cv2'] = None\n"
        "import dcpose.evaluation.evaluator, dcpose.formats.posetrack.leaderboard\n"
        "import dcpose.report.results\n"
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
    imports = "\n".join(f"import {module_name(path)}" for path in MODULES)
    code = (
        "import random, numpy, torch\n"
        "state = (random.getstate(), torch.get_rng_state().tolist(), "
        "numpy.random.get_state()[1].tolist(), torch.get_num_threads())\n"
        f"{imports}\n"
        "assert state == (random.getstate(), torch.get_rng_state().tolist(), "
        "numpy.random.get_state()[1].tolist(), torch.get_num_threads())"
    )
    assert run_python(code) == ""
