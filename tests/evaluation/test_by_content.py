"""Measures are chosen by what annotations have."""

import pytest

from dcpose.evaluation.by_content import evaluate_by_content, has_head_boxes
from dcpose.evaluation.evaluator import APResult
from dcpose.evaluation.pixel_result import PixelResult


def _folders(build, write, tmp_path, *, boxed):
    people = [
        build.person18(0, track_id, build.joint_column(200.0 * track_id), **more)
        for track_id, more in enumerate({"bbox_head": build.HEAD} if has else {} for has in boxed)
    ]
    found = [
        build.person18(0, i, build.joint_column(200.0 * i, [1.0] * 17), [1.0] * 17)
        for i in range(len(boxed))
    ]
    write("gt/a.json", build.video18([]))
    write("pred/a.json", build.video18([]))
    write("gt/b.json", build.video18(people))
    write("pred/b.json", build.video18(found))
    return tmp_path / "gt", tmp_path / "pred"


def test_head_boxes_give_posetrack_ap(build, write, tmp_path):
    result = evaluate_by_content(*_folders(build, write, tmp_path, boxed=[True]))
    assert isinstance(result, APResult)
    assert result.total == 100


def test_without_any_there_are_pixel_errors(build, write, tmp_path):
    result = evaluate_by_content(*_folders(build, write, tmp_path, boxed=[False, False]))
    assert isinstance(result, PixelResult)
    assert (result.mean_error, result.total) == (0, 100)


def test_some_with_and_some_without_is_an_error(build, write, tmp_path):
    folders = _folders(build, write, tmp_path, boxed=[False, True])
    with pytest.raises(ValueError, match="no head box"):
        evaluate_by_content(*folders)


def test_nobody_counts_as_posetrack(build, write, tmp_path):
    write("gt/a.json", build.video18([]))
    assert has_head_boxes(tmp_path / "gt")
