import dataclasses
import json
import logging
import os

import numpy as np
import pytest

from dcpose.data import index_cache
from dcpose.data.index_cache import read_annotations_cached
from dcpose.formats.posetrack.records import read_annotations


def comparable(videos):
    """Videos as plain values, with every detail."""
    return [
        {
            **{f.name: getattr(video, f.name) for f in dataclasses.fields(video)},
            "people": [
                (p.video, p.image_id, p.frame, p.box_score, p.track_id, p.box_xywh.tolist(),
                 p.joints.tolist(), p.joints.dtype, p.box_xywh.dtype)
                for p in video.people
            ],
        }
        for video in videos
    ]  # fmt: skip


@pytest.fixture
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def no_reading(monkeypatch):
    """Call it, and annotation files are not parsed any more."""

    def forbid():
        def refuse(*arguments):
            raise AssertionError("the files were read")

        monkeypatch.setattr(index_cache, "read_annotations", refuse)

    return forbid


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_the_cache_gives_the_same_records(sample_dir, cache, split, no_reading):
    folder = sample_dir / "annotations" / split
    first = read_annotations_cached(folder, sample_dir, cache)
    no_reading()
    again = read_annotations_cached(folder, sample_dir, cache)
    assert comparable(first) == comparable(again)
    assert comparable(again) == comparable(read_annotations(folder, sample_dir))


def test_people_without_tracks_and_videos_without_sizes(data_folder, cache, no_reading):
    image = {"id": 7, "file_name": "images/val/a/000000.jpg"}
    person = data_folder.person(7)
    del person["track_id"]
    data_folder.write("a", images=[image], annotations=[person, {"image_id": 7, "iscrowd": 1}])
    first = read_annotations_cached(data_folder.annotations, data_folder.root, cache)
    no_reading()
    (video,) = read_annotations_cached(data_folder.annotations, data_folder.root, cache)
    assert comparable([video]) == comparable(first)
    assert video.image_wh is None
    assert video.people[0].track_id is None
    assert video.skipped["crowd"] == 1


def test_a_changed_added_or_removed_file_is_noticed(data_folder, cache):
    def read():
        videos = read_annotations_cached(data_folder.annotations, data_folder.root, cache)
        return [(video.name, len(video.people)) for video in videos]

    data_folder.add_video("000001_mpii_test")
    assert read() == [("000001_mpii_test", 6)]
    second = data_folder.add_video("000002_mpii_test", people=2)
    assert read() == [("000001_mpii_test", 6), ("000002_mpii_test", 12)]
    content = json.loads(second.read_text())
    content["annotations"].pop()
    second.write_text(json.dumps(content))
    assert read() == [("000001_mpii_test", 6), ("000002_mpii_test", 11)]
    before = second.stat()
    second.write_text(second.read_text().replace('"track_id": 1', '"track_id": 8'))
    os.utime(second, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert second.stat().st_size == before.st_size
    videos = read_annotations_cached(data_folder.annotations, data_folder.root, cache)
    assert videos[1].people[1].track_id == 8
    second.unlink()
    assert read() == [("000001_mpii_test", 6)]


@pytest.mark.parametrize("damage", ["cut", "text", "empty", "pickle", "other key"])
def test_a_damaged_cache_is_ignored_and_mended(sample_dir, cache, damage, no_reading, caplog):
    folder = sample_dir / "annotations/val"
    expected = read_annotations_cached(folder, sample_dir, cache)
    (path,) = cache.iterdir()
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-500])
    elif damage == "pickle":
        np.savez(path, head=np.array([{"key": 1}], dtype=object))
    elif damage == "other key":
        np.savez(path, head=np.frombuffer(b'{"key": 0}', np.uint8))
    else:
        path.write_bytes(b"" if damage == "empty" else b"nothing of use")
    caplog.set_level(logging.WARNING)
    assert comparable(read_annotations_cached(folder, sample_dir, cache)) == comparable(expected)
    assert ("damaged cache is ignored" in caplog.text) == (damage != "other key")
    no_reading()
    assert comparable(read_annotations_cached(folder, sample_dir, cache)) == comparable(expected)


def test_a_cache_that_cannot_be_written_is_only_a_warning(sample_dir, tmp_path, caplog):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    videos = read_annotations_cached(sample_dir / "annotations/val", sample_dir, blocked / "cache")
    assert len(videos) == 2
    assert "cannot be written" in caplog.text


def test_without_a_cache_folder_nothing_is_kept(sample_dir, tmp_path, run_here):
    assert len(read_annotations_cached(sample_dir / "annotations/val", sample_dir, None)) == 2
    assert list(tmp_path.iterdir()) == []


def test_errors_are_those_of_the_reader(data_folder, cache):
    with pytest.raises(ValueError, match="no annotation files"):
        read_annotations_cached(data_folder.annotations, data_folder.root, cache)
    assert list(cache.iterdir()) == []
