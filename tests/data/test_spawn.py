"""Workers of the loader where processes are spawned, not forked: Windows, macOS, Python 3.14."""

import os
import subprocess
import sys
from pathlib import Path

CODE = """
import multiprocessing

import torch

from dcpose.build.data import read_people
from dcpose.build.inference import build_stream
from dcpose.build.training import build_train_loader
from dcpose.config.loading import load_config
from dcpose.data.loader import EpochBatches


def batches(cfg, workers):
    changed = cfg.model_copy(update={"data": cfg.data.model_copy(update={"workers": workers})})
    return list(EpochBatches(build_train_loader(changed), epoch=1))


if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    cfg = load_config("synthetic/tiny", ["data.root=SAMPLE"])
    for mine, theirs in zip(batches(cfg, 0), batches(cfg, 1), strict=True):
        assert torch.equal(mine.frames, theirs.frames)
        assert torch.equal(mine.joints, theirs.joints)
    print(len(list(build_stream(cfg, *read_people(cfg, "val")))), "batches of val")
"""


def test_workers_that_are_spawned_load_the_same_clips(sample_dir, tmp_path):
    """In a process of its own, as a process has one start method."""
    program = tmp_path / "spawned.py"
    program.write_text(CODE.replace("SAMPLE", Path(sample_dir).as_posix()), encoding="utf-8")
    path = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        [sys.executable, str(program)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(" batches of val\n")
