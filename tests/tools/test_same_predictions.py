"""The same predictions, byte for byte, however the work is cut: on a CPU, in float32."""

import os
from contextlib import contextmanager

import pytest

BOXES = "data.val_detections=detections/val.json"
PLAIN = ("test.batch_size=16", "data.workers=0")


@pytest.fixture
def predictions(load_command, tiny_cfg, tiny_weights, run_here, capsys):
    """Function (overrides) -> name and bytes of every predictions file of tools/val.py."""
    base = ["--cfg", str(tiny_cfg), "--weights", str(tiny_weights), "--device", "cpu", BOXES]

    def run(*overrides):
        run_dir = run_here / "-".join(overrides).replace(".", "_")
        arguments = [*base, "test.precision=fp32", *overrides, "--run-dir", str(run_dir)]
        assert load_command("tools/val.py").main(arguments) == 0
        capsys.readouterr()
        return contents(run_dir)

    return run


def contents(run_dir):
    files = sorted((run_dir / "predictions" / "val").iterdir())
    assert len(files) == 2
    return {file.name: file.read_bytes() for file in files}


@pytest.mark.same_bits
def test_batches_and_workers(predictions):
    expected = predictions(*PLAIN)
    for batch_size, workers in ((3, 0), (16, 1), (1, 4)):  # each alone, and both
        overrides = f"test.batch_size={batch_size}", f"data.workers={workers}"
        assert predictions(*overrides) == expected, overrides


@pytest.mark.same_bits
def test_mirrored_clips_and_fused_networks(predictions):
    for option in ("test.flip=true", "test.fast=true"):
        expected = predictions(*PLAIN, option)
        assert predictions("test.batch_size=3", "data.workers=1", option) == expected, option


def test_order_of_files_on_disk(predictions, monkeypatch):
    expected = predictions(*PLAIN)
    scandir, listdir = os.scandir, os.listdir
    turned = []

    @contextmanager
    def turned_scandir(*arguments):
        with scandir(*arguments) as entries:
            turned.append(arguments)
            yield iter(list(entries)[::-1])

    monkeypatch.setattr(os, "scandir", turned_scandir)
    monkeypatch.setattr(os, "listdir", lambda *arguments: listdir(*arguments)[::-1])
    again = predictions(*PLAIN, "seed=1")
    monkeypatch.undo()
    assert turned
    assert again == expected


@pytest.mark.slow
@pytest.mark.same_bits
def test_processes(predictions, run_two, tiny_cfg, tiny_weights, run_here):
    run_two(
        "tools/val.py", "--cfg", tiny_cfg, "--weights", tiny_weights, "--device", "cpu", BOXES,
        "test.precision=fp32", "test.batch_size=3", "data.workers=4", "--run-dir", "two",
    )  # fmt: skip
    assert contents(run_here / "two") == predictions(*PLAIN)
