"""The protocol that is printed beside an AP."""

from dataclasses import replace

from dcpose.report.results import Protocol

PROTOCOL = Protocol(
    annotations="gt", metric="PCKh", boxes="boxes.json", min_box_score=0.2,
    joint_score="heatmap", flip=False, oks_nms=0.9, decoding="argmax", precision="fp32",
    crop_wh=(288, 384), clip_frames=3, max_gap=1, num_videos=2, num_frames=3,
    num_boxes=4, weights="best.pt", weights_hash="abcd",
)  # fmt: skip


def test_line_says_what_made_the_number():
    assert PROTOCOL.line() == (
        "gt: 2 videos, 3 frames · metric: PCKh · boxes: boxes.json, score >= 0.2 (4) · "
        "joint score: heatmap · flip: off · OKS-NMS: 0.9 · decoding: argmax · "
        "precision: fp32 · crop 288x384 · 3 frames, T = 1 · weights: best.pt abcd"
    )
    assert replace(PROTOCOL, num_videos=None).line().startswith("gt: 3 images · metric")
    assert "OKS-NMS: off" in replace(PROTOCOL, oks_nms=None).line()
