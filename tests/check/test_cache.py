import json
from typing import Any

import pytest
from pydantic import TypeAdapter

from dcpose.check import frames as check_frames
from dcpose.check import run as check
from dcpose.check.cache import FactCache
from dcpose.check.layout import SplitFiles
from dcpose.check.run import CheckOptions, check_data_set
from dcpose.files.cache_dir import default_cache_dir


def find(cache, key, stamp, found=None):
    return cache.find(key, stamp, TypeAdapter(Any), lambda: found)


def test_facts_are_valid_for_their_stamp_only(tmp_path):
    path = tmp_path / "deep" / "cache.json"
    cache = FactCache(path)
    assert find(cache, "a", [1, 2], {"size": 3}) == {"size": 3}
    cache.save()
    assert find(FactCache(path), "a", [1, 2]) == {"size": 3}
    assert find(FactCache(path), "a", [1, 3]) is None
    assert find(FactCache(path), "b", [1, 2]) is None


def test_facts_of_another_kind_are_found_anew(tmp_path):
    cache = FactCache(None)
    find(cache, "a", 1, ["x"])
    assert cache.find("a", 1, TypeAdapter(list[int]), lambda: [5]) == [5]
    assert find(cache, "a", 1) == [5]


def test_saving_keeps_what_was_not_asked_for(tmp_path):
    path = tmp_path / "cache.json"
    for key, found in (("a", "old"), ("b", "new")):
        cache = FactCache(path)
        find(cache, key, 1, found)
        cache.save()
    third = FactCache(path)
    assert (find(third, "a", 1), find(third, "b", 1)) == ("old", "new")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"version": 0, "entries": {}}', '{"version": 2, "entries": 3}']
)
def test_a_damaged_or_old_cache_is_empty(tmp_path, text):
    path = tmp_path / "cache.json"
    path.write_text(text)
    cache = FactCache(path)
    assert find(cache, "a", 1, 2) == 2
    cache.save()
    assert find(FactCache(path), "a", 1) == 2


def test_a_cache_that_cannot_be_written_is_only_a_warning(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    cache = FactCache(tmp_path / "file" / "cache.json")
    find(cache, "a", 1, 2)
    cache.save()
    assert "cannot be written" in caplog.text
    assert "the next check starts cold" in caplog.text


def test_no_path_keeps_nothing():
    cache = FactCache(None)
    find(cache, "a", 1, 2)
    cache.save()
    assert find(cache, "a", 1) == 2


def test_the_default_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_dir() == tmp_path / "dcpose"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert str(default_cache_dir()) == "/home/somebody/.cache/dcpose"


def sample_splits(root):
    return [
        SplitFiles("train", root / "annotations/train"),
        SplitFiles("val", root / "annotations/val", root / "detections/val.json"),
    ]


def test_the_second_check_opens_no_frame_and_says_the_same(sample_dir, tmp_path, monkeypatch):
    # a finding has to come from the cache too
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps([{"image_id": 1, "bbox": [0, 0, 1, 1], "score": 0.5}]))
    splits = [*sample_splits(sample_dir)[:1]]
    splits.append(SplitFiles("val", sample_dir / "annotations/val", wrong))
    cache = tmp_path / "cache"
    first = check_data_set(sample_dir, splits, CheckOptions(), cache)

    def refuse(*arguments):
        raise AssertionError("looked again")

    monkeypatch.setattr(check_frames, "inspect_frame", refuse)
    monkeypatch.setattr("dcpose.check.run.check_detections", refuse)
    monkeypatch.setattr(check, "inspect_file", refuse)
    again = check_data_set(sample_dir, splits, CheckOptions(), cache)
    assert again == first
    assert [f.code for f in again.problems] == ["detection-image"]


def test_damaged_facts_are_found_anew(sample_dir, tmp_path):
    expected = check_data_set(sample_dir, sample_splits(sample_dir), CheckOptions(), tmp_path)
    (path,) = tmp_path.glob("check-*.json")
    content = json.loads(path.read_text())
    for entry in content["entries"].values():
        entry[1] = [7]
    path.write_text(json.dumps(content))
    assert (
        check_data_set(sample_dir, sample_splits(sample_dir), CheckOptions(), tmp_path) == expected
    )
