"""Predictions as COCO keypoints results."""

import numpy as np
import pytest

from dcpose.formats.coco_results import coco_results, person_scores
from dcpose.formats.posetrack.convert import to_posetrack17
from dcpose.skeleton import COCO, POSETRACK


def test_people_rank_by_box_score_times_mean_of_the_peaks_over_the_threshold():
    peaks = np.array([[0.9, 0.5, 0.1], [0.2, 0.1, 0.0]])
    # (0.9 + 0.5) / 2 * 0.5; 0.2 itself does not count
    assert person_scores(peaks, np.array([0.5, 1.0])).tolist() == pytest.approx([0.35, 0])


@pytest.mark.parametrize("form", ["2018", "2017"])
@pytest.mark.parametrize(
    ("joint_score", "score"), [("heatmap_times_box", 0.5 * 0.8), ("heatmap", 0.5 * 0.4)]
)
def test_joints_go_by_name(build, tmp_path, form, joint_score, score):
    keypoints = build.joint_column(scores=[0.4] * 17)
    content = build.video18([build.person18(1, 0, keypoints, [0.4] * 17, score=0.5)])
    ears = 0
    if form == "2017":
        content, omissions = to_posetrack17(content, tmp_path)
        # the joints that 2017 files do not have come back with a score of 0
        ears = omissions["ear"]
    (result,), omissions = coco_results(content, tmp_path, joint_score)

    assert ears == 0
    assert (result["image_id"], result["category_id"]) == (build.IMAGE_ID + 1, 1)
    assert result["score"] == pytest.approx(score)
    joints = dict(zip(COCO.joint_names, np.reshape(result["keypoints"], (17, 3)), strict=True))
    for side in ("left", "right"):
        assert joints[f"{side}_eye"].tolist() == [0, 0, 0]
    # joint_column puts joint j of PoseTrack at (100, 50 + 10 j)
    row = POSETRACK.index("left_wrist")
    assert joints["left_wrist"].tolist() == [100, 50 + 10 * row, 0.4]
    assert omissions["joint head_bottom"] == omissions["joint head_top"] == 1


def test_nobody(build, tmp_path):
    assert coco_results(build.video18([]), tmp_path, "heatmap") == ([], {})
