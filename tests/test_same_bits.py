"""The tests that compare bits, with the instructions of older processors."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
INSTRUCTION_SETS = {
    "AVX2": {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"},
    "SSE4.1": {"ONEDNN_MAX_CPU_ISA": "SSE41", "ATEN_CPU_CAPABILITY": "default"},
}
"""What oneDNN and PyTorch use at most; they read it once, at their start."""

FILES = (
    "tests/test_threads.py",
    "tests/integration/test_shared_backbone.py",
    "tests/models",
    "tests/deploy",
    "tests/engine/test_inference.py",
    "tests/tools/test_same_predictions.py",
)


@pytest.mark.slow
@pytest.mark.parametrize("name", INSTRUCTION_SETS)
def test_with_the_instructions_of(name, tmp_path):
    # the processor's own instructions are those of this process; tests of two processes stay here
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *FILES]
    result = subprocess.run(
        [*command, "-m", "same_bits and not slow", f"--basetemp={tmp_path / 'tests'}"],
        cwd=REPOSITORY,
        env={**os.environ, **INSTRUCTION_SETS[name]},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert result.returncode == 0, result.stdout[-5000:] + result.stderr


def test_no_test_that_compares_bits_is_left_out():
    marked = {
        path.relative_to(REPOSITORY).as_posix()
        for path in (REPOSITORY / "tests").rglob("test_*.py")
        if "@pytest.mark.same_bits" in path.read_text(encoding="utf-8")
    }
    outside = [path for path in marked if not path.startswith(FILES)]
    assert outside == ["tests/test_same_bits.py"]  # which names the mark
