"""scripts/gpu_checks.sh with a stand-in for python; test_benchmark.py runs its suites in small."""

import shlex
import subprocess

import pytest

from benchmark import SUITES

PYTHON = """#!/usr/bin/env bash
printf '%q ' "$@" >> "$CALLS"; echo >> "$CALLS"
case "$*" in *"--suite train"*) exit 3 ;; *run-dir*/bf16*) exit 2 ;; esac
while [ $# -gt 0 ]; do
    if [ "$1" = --run-dir ]; then mkdir -p "$2"; echo table > "$2/results.md"; fi
    shift
done
"""


@pytest.fixture
def checks(tmp_path, pytestconfig):
    """Function (arguments, variables) -> exit code, output, and the commands that were run."""
    (tmp_path / "python").write_text(PYTHON)
    (tmp_path / "python").chmod(0o755)

    def run(*arguments, **variables):
        calls = tmp_path / "calls"
        calls.write_text("")
        done = subprocess.run(
            ["bash", str(pytestconfig.rootpath / "scripts/gpu_checks.sh"), *arguments],
            env={"PATH": f"{tmp_path}:/usr/bin:/bin", "CALLS": str(calls), **variables},
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout, list(map(shlex.split, calls.read_text().splitlines()))

    return run


def test_dry_run(checks, tmp_path):
    code, output, commands = checks("--dry-run", str(tmp_path / "out"))
    suites = [command for command in commands if "scripts/benchmark.py" in command]
    names = [command[command.index("--suite") + 1] for command in suites]
    assert set(names) <= set(SUITES)
    waiting = {"network", "train", "video", "agreement", "share_backbone", "deform_conv", "others"}
    assert set(names) == waiting
    assert all("--smoke" in command for command in suites)
    assert all("cuda" not in command for command in commands)
    assert ["-m", "pytest", "-q", "-m", "gpu", "tests"] in commands
    # what fails is named, and does not keep the others from being done
    assert code == 1
    assert "train: exit code 3" in output
    assert "val in bf16: exit code 2" in output
    assert output.splitlines()[-2:] == ["failed: train", "failed: val in bf16"]
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"gpu_checks_cpu.log", "val_fp32_cpu.md"} <= files
    assert "val_bf16_cpu.md" not in files


def test_nothing_is_started_past_the_budget(checks, tmp_path):
    code, output, commands = checks(str(tmp_path / "out"), BUDGET_S="0")
    assert code == 1
    assert commands == []
    assert "network: exit code 124 after 0 s" in output


def test_the_device_is_cuda_unless_it_is_a_dry_run(checks, tmp_path):
    _, _, commands = checks(str(tmp_path / "out"))
    assert "--smoke" not in [word for command in commands for word in command]
    assert any("test.precision=fp16" in command for command in commands)
    devices = {c[c.index("--device") + 1] for c in commands if "--device" in c}
    assert devices == {"cuda"}
