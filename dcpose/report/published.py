"""What the paper prints: its Table 5, and the baselines of its Table 1.

AP on the PoseTrack2017 validation set, of networks at full size; rows are known by the experiment
of a config.
"""

from __future__ import annotations

from dataclasses import dataclass

TOTAL = "Total"
GROUPS = ("Head", "Shou", "Elb", "Wri", "Hip", "Knee", "Ankl", TOTAL)
REFERENCE = "ablation_complete"


@dataclass(frozen=True)
class PaperRow:
    """A row of the paper.

    Attributes:
        title: what the paper calls it.
        ap: AP of the groups of joints, in percent, in the order of `GROUPS`.
    """

    title: str
    ap: tuple[float, ...]

    @property
    def mean_of_joints(self) -> float:
        """The mean that the printed groups give: Head is three of the 15 joints, others two."""
        head, *others, _ = self.ap
        return (3 * head + 2 * sum(others)) / 15

    @property
    def closes(self) -> bool:
        """Whether the printed mean follows from the printed groups, within rounding."""
        return abs(self.mean_of_joints - self.ap[-1]) < ROUNDING


ROUNDING = 0.15

# Table 5, as printed: PoseTrack2017 validation set.
_TABLE_5 = {
    "ablation_complete": PaperRow(
        "DCPose, complete, T = 1", (88.0, 88.7, 84.1, 78.4, 83.0, 81.4, 74.2, 82.8)
    ),
    "ablation_no_ptm_sum": PaperRow(
        "r/m PTM, h(p) + h(c) + h(n)", (87.3, 88.4, 83.6, 77.6, 82.8, 78.4, 73.7, 82.0)
    ),
    "ablation_no_ptm_current": PaperRow(
        "r/m PTM, h(c)", (87.5, 88.5, 83.7, 78.1, 82.9, 80.8, 73.4, 82.2)
    ),
    "ablation_no_prf": PaperRow("r/m PRF", (87.4, 88.3, 83.6, 77.6, 82.7, 80.5, 73.4, 82.1)),
    "ablation_dilations_3": PaperRow(
        "1 dilation, d = 3", (87.3, 88.5, 83.8, 72.6, 82.9, 78.4, 73.7, 81.7)
    ),
    "ablation_dilations_3_6": PaperRow(
        "2 dilations, d = 3, 6", (87.5, 88.2, 83.6, 74.7, 82.8, 79.8, 73.6, 81.9)
    ),
    "ablation_dilations_3_6_9": PaperRow(
        "3 dilations, d = 3, 6, 9", (87.9, 88.6, 83.9, 78.3, 82.9, 81.4, 74.0, 82.7)
    ),
    "ablation_dilations_3_6_9_12": PaperRow(
        "4 dilations, d = 3, 6, 9, 12", (87.9, 88.6, 84.0, 76.9, 83.0, 80.9, 74.0, 82.6)
    ),
    "ablation_no_prev": PaperRow(
        "r/m previous frame", (87.8, 88.4, 83.8, 77.8, 82.6, 80.6, 73.7, 82.2)
    ),
    "ablation_no_next": PaperRow(
        "r/m next frame", (88.0, 88.6, 83.7, 77.7, 82.8, 80.7, 73.2, 82.3)
    ),
    "ablation_interval_2": PaperRow("T = 2", (87.7, 88.4, 83.8, 78.0, 83.0, 80.8, 73.2, 82.6)),
    "ablation_interval_3": PaperRow("T = 3", (87.6, 88.4, 83.6, 77.7, 82.6, 80.7, 71.7, 82.1)),
    "ablation_interval_4": PaperRow("T = 4", (81.2, 87.4, 83.3, 76.7, 81.9, 80.2, 72.1, 81.7)),
}

_SINGLE_FRAME = PaperRow(
    "single frame (Table 1: HRNet)", (82.1, 83.6, 80.4, 73.3, 75.5, 75.3, 68.5, 77.3)
)
_SIMPLE_BASELINE = PaperRow(
    "SimpleBaseline (Table 1)", (81.7, 83.4, 80.0, 72.4, 75.3, 74.8, 67.1, 76.7)
)
_POSEWARPER = PaperRow("PoseWarper (Table 1)", (81.4, 88.3, 83.9, 78.0, 82.4, 80.5, 73.6, 81.2))

PUBLISHED = {
    **_TABLE_5,
    "single_frame_hrnet_w48_posetrack17": _SINGLE_FRAME,
    "synthetic_single_frame": _SINGLE_FRAME,
    "simple_baseline_r152_posetrack17": _SIMPLE_BASELINE,
    "synthetic_simple_baseline": _SIMPLE_BASELINE,
    "posewarper_hrnet_w48_posetrack17": _POSEWARPER,
    "synthetic_posewarper": _POSEWARPER,
}
"""By experiment; a config for rendered data has the row of the network that it makes small."""
