"""Pooling of videos, the result object, and independence from torch."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dcpose.evaluation.evaluator import APResult, Evaluator, evaluate_folders
from dcpose.report.tables import row_of
from dcpose.skeleton import POSETRACK

REPOSITORY = Path(__file__).resolve().parents[2]


def result_of(ap):
    zeros = np.zeros(15)
    counts = zeros.astype(np.int64)
    return APResult(np.array(ap, dtype=float), zeros, zeros, counts, counts, counts, 1, 1)


def test_groups_and_total_are_plain_means():
    result = result_of(np.arange(15))
    # head_top 14, neck 12, nose 13; shoulders 8, 9; ...; total: mean of 15, not of 7
    assert result.groups == {
        "Head": 13, "Shou": 8.5, "Elb": 8.5, "Wri": 8.5, "Hip": 2.5, "Knee": 2.5, "Ankl": 2.5,
        "Total": 7,
    }  # fmt: skip


def test_undefined_joints_leave_the_total_and_spoil_their_group():
    ap = np.full(15, 60.0)
    ap[POSETRACK.evaluation_names.index("left_knee")] = np.nan
    result = result_of(ap)
    assert result.total == 60
    assert math.isnan(result.groups["Knee"])
    assert result.to_json_dict()["groups"]["Knee"] is None
    assert result.to_json_dict()["ap"].count(None) == 1
    json.dumps(result.to_json_dict(), allow_nan=False)
    assert row_of(result.columns).text().split() == [
        *("Head", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Mean"),
        *("60.0", "60.0", "60.0", "60.0", "60.0", "nan", "60.0", "60.0"),
    ]


def test_no_video_at_all():
    result = Evaluator().compute()
    assert result.ap.tolist() == [0] * 15
    assert result.total == 0
    assert result.num_frames == 0


def test_videos_share_one_ranking(build, write):
    """A wrong joint of one video costs precision in the other: not a mean of two APs."""
    right = build.person18(0, 0, build.joint_column(), [0.5] * 17, bbox_head=build.HEAD)
    wrong = build.person18(0, 0, build.joint_column(500), [0.9] * 17)
    gt = write("gt/a.json", build.video18([right]))
    evaluator = Evaluator()
    evaluator.update(gt, write("pred/a.json", build.video18([right])))
    assert evaluator.compute().ap.tolist() == [100] * 15
    evaluator.update(gt, write("pred/b.json", build.video18([wrong])))
    # ranks: wrong, right; 2 people, one found at precision 1/2; separately: mean of 100 and 0
    result = evaluator.compute()
    np.testing.assert_allclose(result.ap, 25)
    np.testing.assert_allclose(result.precision, 50)
    np.testing.assert_allclose(result.recall, 50)
    assert (result.num_videos, result.num_frames) == (2, 2)


def test_a_refused_video_adds_nothing(build, write):
    person = build.person18(0, 0, build.joint_column(), [0.5] * 17, bbox_head=build.HEAD)
    gt = write("gt/a.json", build.video18([person]))
    evaluator = Evaluator()
    with pytest.raises(ValueError, match="3 frames, expected the 2"):
        evaluator.update(gt, write("pred/a.json", build.video18([person], num_frames=3)))
    assert evaluator.compute().num_videos == 0


def test_all_missing_files_are_counted_before_any_is_read(write, tmp_path):
    for name in ("gt/a.json", "gt/b.json", "pred/c.json"):
        write(name, "not JSON")
    with pytest.raises(ValueError, match=r"a\.json: does not exist.*2 of 2 are missing"):
        evaluate_folders(tmp_path / "gt", tmp_path / "pred")


def test_swapped_frames_are_reported(build, write, tmp_path, caplog):
    person = build.person18(0, 0, build.joint_column(), [0.5] * 17, bbox_head=build.HEAD)
    content = build.video18([person])
    write("gt/a.json", content)
    content["images"].reverse()
    write("pred/a.json", content)
    assert evaluate_folders(tmp_path / "gt", tmp_path / "pred").total == 0
    assert "images[0] is images/val/000342_mpii_test/000001.jpg where" in caplog.text


def test_runs_without_torch_and_opencv(build, write, tmp_path):
    person = build.person18(0, 0, build.joint_column(), [0.5] * 17, bbox_head=build.HEAD)
    write("gt/a.json", build.video18([person]))
    write("pred/a.json", build.video18([person]))
    blocked = (
        "import sys, runpy\n"
        "for name in ('torch', 'torchvision', 'cv2', 'pydantic', 'yaml'):\n"
        "    sys.modules[name] = None\n"  # importing it raises ImportError
        "import dcpose.formats.posetrack.leaderboard\n"
        f"sys.argv = ['x', '--annotations', {str(tmp_path / 'gt')!r}, "
        f"'--predictions', {str(tmp_path / 'pred')!r}]\n"
        f"runpy.run_path({str(REPOSITORY / 'scripts' / 'evaluate_ap.py')!r}, run_name='__main__')\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", blocked], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert "100.0" in run.stdout
