"""The evaluator suite of scripts/benchmark.py, on a small set."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from dcpose.evaluation.evaluator import evaluate_folders

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "benchmark.py"


@pytest.fixture
def benchmark(monkeypatch):
    spec = importlib.util.spec_from_file_location("benchmark", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "NUM_VIDEOS", 2)
    monkeypatch.setattr(module, "FRAMES_PER_VIDEO", 5)
    return module


def test_the_set_depends_on_the_seed_only(benchmark, tmp_path, caplog):
    for name, seed in (("first", 0), ("again", 0), ("other", 1)):
        benchmark.write_evaluation_set(tmp_path / name, seed)
    files = {path.relative_to(tmp_path / "first") for path in (tmp_path / "first").rglob("*.json")}
    assert len(files) == 4
    for file in files:
        first = (tmp_path / "first" / file).read_bytes()
        assert (tmp_path / "again" / file).read_bytes() == first
        assert (tmp_path / "other" / file).read_bytes() != first

    result = evaluate_folders(
        tmp_path / "first" / "annotations", tmp_path / "first" / "predictions"
    )
    assert result.num_frames == 10
    assert 5 < result.total < 95
    assert caplog.text == ""


def test_indexing_is_measured_cold_and_cached(benchmark):
    table = benchmark.benchmark_data_index()
    rows = {row["what"].split(";")[0]: row["seconds_median"] for row in table}
    assert len(rows) == 7
    assert all(seconds > 0 for seconds in rows.values())
    assert "index from the cache" in rows


def test_frames_are_what_the_evaluation_set_lists(benchmark, tmp_path):
    benchmark.write_evaluation_set(tmp_path)
    benchmark.write_frames(tmp_path)
    frames = sorted((tmp_path / "images").rglob("*.jpg"))
    assert len(frames) == 10
    assert benchmark.read_frame(frames[-1]).shape == (360, 640, 3)


def test_measures_a_process(benchmark):
    size = 50_000_000
    code = f"x = b'1' * {size}"
    seconds, cpu_seconds, megabytes = benchmark.measure_command([sys.executable, "-c", code])
    assert seconds > 0
    assert cpu_seconds > 0
    # a bare interpreter is about 10 MB; this process with its test tools is far larger
    assert size / 1e6 < megabytes < size / 1e6 + 30
    with pytest.raises(subprocess.CalledProcessError):
        benchmark.measure_command([sys.executable, "-c", "raise SystemExit(3)"])


def test_table(benchmark):
    rows = [{"what": "a", "seconds": 1.234}, {"what": "b", "seconds": 5.0}]
    assert benchmark.to_markdown(rows).splitlines() == [
        "| what | seconds |", "| --- | --- |", "| a | 1.23 |", "| b | 5.00 |",
    ]  # fmt: skip
