"""Files of operating systems among those of the user: left out wherever folders are listed."""

import zipfile
from fractions import Fraction
from pathlib import Path

import pytest

from dcpose.check.layout import SplitFiles
from dcpose.check.run import CheckOptions, check_data_set
from dcpose.files.listing import is_hidden, list_folder, list_tree
from dcpose.formats.posetrack.leaderboard import check_submission, export_submission
from dcpose.jobs.commands.detect import images_of_folder
from dcpose.video.opening import open_source
from tests.fixtures.data_folder import DataFolder

APPLE_DOUBLE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        " + bytes(100)


def add_doubles(folder: Path) -> None:
    """Put `._NAME` beside every file, as a copy to exFAT does, and what macOS and NAS leave."""
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        (path.parent / f"._{path.name}").write_bytes(APPLE_DOUBLE)
        (path.parent / ".DS_Store").write_bytes(APPLE_DOUBLE)


def test_listing(tmp_path):
    (tmp_path / "b/.AppleDouble").mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    for name in ("b/2.jpg", "b/._2.jpg", "b/.AppleDouble/2.jpg", ".git/3.jpg", "a.jpg", "..jpg"):
        (tmp_path / name).touch()
    assert list_folder(tmp_path) == [tmp_path / "a.jpg", tmp_path / "b"]
    assert list_folder(tmp_path, ".jpg") == [tmp_path / "a.jpg"]
    assert list_folder(tmp_path / "a.jpg") == list_folder(tmp_path / "absent") == []
    assert list_tree(tmp_path) == [tmp_path / "a.jpg", tmp_path / "b/2.jpg"]
    hidden = ["__MACOSX/._a.json", ".x/a.json", ".DS_Store"]
    assert [is_hidden(name) for name in [*hidden, "a.json", "./a.json", "../b/a.json"]] == [
        *[True] * 3, *[False] * 3,
    ]  # fmt: skip


def test_data_set(tmp_path):
    data = DataFolder(tmp_path)
    data.add_video("000001_mpii_test", num_frames=3)
    (tmp_path / "images/val/.thumbnails").mkdir()
    add_doubles(tmp_path)
    (video,) = data.videos()
    assert video.name == "000001_mpii_test"
    assert video.frames_on_disk() == {0, 1, 2}
    files = SplitFiles("val", data.annotations)
    report = check_data_set(tmp_path, [files], CheckOptions())
    codes = {finding.code for finding in report.findings}
    assert not codes & {"annotation-file", "more-frames", "unannotated-video", "unreadable-frame"}
    assert report.splits[0].videos == 1
    assert report.splits[0].usable_frames == 3


def test_folders_of_images(tmp_path):
    data = DataFolder(tmp_path)
    data.add_video("000001_mpii_test", num_frames=3)
    add_doubles(tmp_path)
    folder = tmp_path / "images/val/000001_mpii_test"
    source = open_source(folder, Fraction(25))
    assert source.num_frames == 3
    assert sum(1 for _ in source) == 3
    assert sum(1 for _ in open_source(f"{folder}/*.jpg")) == 3
    found = images_of_folder(tmp_path / "images")
    assert list(found.paths) == [f"val/000001_mpii_test/00000{n}.jpg" for n in range(3)]


@pytest.mark.parametrize("double", ["._a.json", "__MACOSX/._a.json"])
def test_leaderboard_files(tmp_path, double):
    data = DataFolder(tmp_path)
    data.add_video("000001_mpii_test", num_frames=2, people=0)
    out = tmp_path / "out"
    export_submission(data.annotations, out)
    add_doubles(out)
    with zipfile.ZipFile(out / "submission.zip", "a") as archive:
        archive.writestr(double, APPLE_DOUBLE)
    assert check_submission(out, data.annotations) == []
