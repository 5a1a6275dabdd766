"""Files written in one step, with the fault where a full disk strikes: at the write call."""

import errno
import os
import signal
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch

from dcpose.files.writing import (
    WriteError,
    naming,
    remove_unfinished,
    replacing,
    write_bytes,
    write_text,
)
from dcpose.formats.posetrack.predictions import write_json

posix = pytest.mark.skipif(os.name != "posix", reason="needs signals and limits of POSIX")

LIMITED = """
import resource, sys
from pathlib import Path
{imports}
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
path = Path(sys.argv[1])
try:
    {statement}
except OSError as error:
    print(type(error).__name__, error)
"""


def write_with_room_for_4_kb(path, imports, statement):
    """Run a statement in a process whose files end at 4 KB, as on a disk that is full."""
    code = LIMITED.format(imports=imports, statement=statement)
    result = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
    return result.stdout.strip()


def files_in(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_new_and_an_old_file(tmp_path):
    path = tmp_path / "größe 1.txt"
    for text in ("eins", "zwei: ü"):
        write_text(path, text)
        assert path.read_bytes() == text.encode()
    assert files_in(tmp_path) == [path.name]


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize(
    ("number", "way_out"),
    [(errno.ENOSPC, "free some space"), (errno.EROFS, "read-only"), (errno.EDQUOT, "your quota")],
)
def test_a_fault_keeps_the_old_file_and_says_so(tmp_path, monkeypatch, call, number, way_out):
    path = tmp_path / "a.json"
    path.write_text("old")

    def fail(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(WriteError) as caught:
        write_bytes(path, b"new")
    monkeypatch.undo()
    assert str(caught.value).startswith(
        f"{path}: cannot be written: {os.strerror(number)}; the old"
    )
    assert way_out in str(caught.value)
    assert caught.value.errno == number
    assert path.read_text() == "old"
    assert files_in(tmp_path) == ["a.json"]


def test_a_folder_that_is_gone(tmp_path):
    with pytest.raises(WriteError, match=r"gone/a\.json: cannot be written: No such file.*is gone"):
        write_bytes(tmp_path / "gone" / "a.json", b"new")


@posix
@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_may_not_be_written_to(tmp_path):
    (tmp_path / "locked").mkdir(mode=0o555)
    with pytest.raises(WriteError, match="make the folder writable"):
        write_bytes(tmp_path / "locked" / "a.json", b"new")


def test_an_error_in_the_block_leaves_the_old_file(tmp_path):
    write_text(tmp_path / "a", "old")

    def write_half():
        with replacing(tmp_path / "a") as unfinished:
            unfinished.write_text("half of")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert (tmp_path / "a").read_text() == "old"
    assert files_in(tmp_path) == ["a"]


def test_an_error_about_another_file_stays_as_it_is(tmp_path):
    with pytest.raises(FileNotFoundError), naming(tmp_path / "a"):
        (tmp_path / "b").read_text()


@posix
def test_what_a_killed_process_left_is_removed(tmp_path):
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from dcpose.files.writing import replacing\n"
        "with replacing(Path(sys.argv[1])) as unfinished:\n"
        "    unfinished.write_text('half of it')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path = tmp_path / "checkpoints" / "last.pt"
    path.parent.mkdir()
    path.write_text("old")
    killed = subprocess.run([sys.executable, "-c", code, str(path)], timeout=300)
    assert killed.returncode == -signal.SIGKILL
    assert len(files_in(tmp_path)) == 2
    remove_unfinished(tmp_path)
    assert files_in(tmp_path) == ["last.pt"]
    assert path.read_text() == "old"


@posix
class TestDiskFull:
    """In each writer, the old file is intact and nothing else is left."""

    def test_checkpoint(self, tmp_path):
        path = tmp_path / "last.pt"
        torch.save({"old": 1}, path)
        said = write_with_room_for_4_kb(
            path,
            "import torch; from dcpose.engine.run.checkpoint import save_checkpoint",
            "save_checkpoint(path, {'model': torch.zeros(100_000)})",
        )
        assert said.startswith(f"WriteError {path}: cannot be written: File too large; the old")
        assert torch.load(path) == {"old": 1}
        assert files_in(tmp_path) == ["last.pt"]

    def test_predictions(self, tmp_path):
        path = tmp_path / "video.json"
        write_json(path, {"images": []})
        said = write_with_room_for_4_kb(
            path,
            "from dcpose.formats.posetrack.predictions import write_json",
            "write_json(path, {'images': list(range(10_000))})",
        )
        assert said.startswith(f"WriteError {path}: cannot be written: File too large; the old")
        assert path.read_text() == '{"images":[]}'
        assert files_in(tmp_path) == ["video.json"]

    def test_report(self, tmp_path):
        path = tmp_path / "results.md"
        write_text(path, "| old |")
        said = write_with_room_for_4_kb(
            path, "from dcpose.files.writing import write_text", "write_text(path, '|' * 10_000)"
        )
        assert said.startswith(f"WriteError {path}: cannot be written: File too large; the old")
        assert path.read_text() == "| old |"

    def test_zip(self, tmp_path):
        # noise, because a deflated file of zeros would fit
        noise = np.random.default_rng(0).bytes(20_000).hex()
        (tmp_path / "video.json").write_text(noise)
        path = tmp_path / "submission.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("old.json", "{}")
        before = path.read_bytes()
        said = write_with_room_for_4_kb(
            path,
            "from dcpose.formats.posetrack.leaderboard import _write_zip",
            "_write_zip(path, [path.with_name('video.json')])",
        )
        assert said.startswith(f"WriteError {path}: cannot be written: File too large; the old")
        assert path.read_bytes() == before
        assert files_in(tmp_path) == ["submission.zip", "video.json"]
