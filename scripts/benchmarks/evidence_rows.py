"""The rows of docs/benchmarks/evidence_cpu.md: configs, and what differs from them."""

from dataclasses import dataclass

from dcpose.config.loading import load_config
from dcpose.config.schema import Config
from dcpose.report.published import PUBLISHED

HEADS = "evidence/heads_hrnet"
TUNED = "evidence/dcpose_hrnet_tuned"

FITTING_DILATIONS = {
    "dilations_3": "[1]",
    "dilations_3_6": "[1,2]",
    "dilations_3_6_9": "[1,2,3]",
    "dilations_3_6_9_12": "[1,2,3,4]",
}
"""Of rows of Table 5, a third of the paper's; the other rows have the tuned config's five."""


@dataclass(frozen=True)
class EvidenceRow:
    """A model of the tables.

    Attributes:
        title: what tables call it.
        config: path, or name in `configs/`.
        overrides: what differs.
        on: see `load_config`.
        averaged: frames whose heatmaps are averaged in place of a head; 1 is the single frame.
    """

    title: str
    config: str
    overrides: tuple[str, ...] = ()
    on: str | None = None
    averaged: int | None = None

    def load(self, seed: int, more: tuple[str, ...] = ()) -> Config:
        """Return the config of a seed, with more overrides."""
        return load_config(self.config, [*self.overrides, *more, f"seed={seed}"], on=self.on)


def _tar(backbone: str) -> dict[str, EvidenceRow]:
    """Return TAR's rows: both orders of tokens, with and without mask, of 5 and 3 frames."""
    rows = {}
    for order in ("paper", "release"):
        for mask in (True, False):
            for frames in (5, 3):
                name = f"tar_{backbone}_{order}{'' if mask else '_no_mask'}_{frames}"
                overrides = [f"model.token_order={order}"]
                overrides += [] if mask else ["model.jta.threshold=null"]
                overrides += [] if frames == 5 else ["data.offsets=[-1,0,1]"]
                title = f"TAR, {order}'s order, {'' if mask else 'no '}mask, {frames} frames"
                rows[name] = EvidenceRow(title, f"evidence/tar_{backbone}", tuple(overrides))
    return rows


def _alone(backbone: str) -> dict[str, EvidenceRow]:
    """Return the rows without a head."""
    config = f"evidence/single_frame_{backbone}"
    return {
        f"single_frame_{backbone}": EvidenceRow("single frame", config, averaged=1),
        f"mean_{backbone}_3": EvidenceRow("mean heatmap of 3 frames", config, averaged=3),
        f"mean_{backbone}_5": EvidenceRow("mean heatmap of 5 frames", config, averaged=5),
    }


HRNET = {
    **_alone("hrnet"),
    "posewarper_hrnet": EvidenceRow("PoseWarper", "evidence/posewarper_hrnet"),
    "dcpose_hrnet_released": EvidenceRow("DCPose, the release's rate", TUNED, ("optim.lr=1.0e-4",)),
    "dcpose_hrnet_heads": EvidenceRow("DCPose, as the other heads", HEADS),
    "dcpose_hrnet_identity": EvidenceRow(
        "the same, identity start", HEADS, ("model.start=identity",)
    ),
    "dcpose_hrnet_tuned": EvidenceRow("DCPose, tuned", TUNED),
    "fami_hrnet": EvidenceRow("FAMI", "evidence/fami_hrnet"),
    **_tar("hrnet"),
}
"""Rows on the frozen HRNet."""

VIT = {
    **_alone("vit"),
    "dcpose_vit_tuned": EvidenceRow("DCPose, tuned", "evidence/dcpose_vit_tuned"),
    "tar_vit_paper_5": _tar("vit")["tar_vit_paper_5"],
}
"""Rows on the frozen tiny ViT."""


def _of_table_5(experiment: str) -> EvidenceRow:
    """Return a row of the paper's Table 5 on the tuned config."""
    name = experiment.removeprefix("ablation_")
    dilations = FITTING_DILATIONS.get(name)
    overrides = () if dilations is None else (f"model.pcn.dilations={dilations}",)
    return EvidenceRow(PUBLISHED[experiment].title, f"ablations/{name}", overrides, on=TUNED)


TABLE_5 = {name: _of_table_5(name) for name in PUBLISHED if name.startswith("ablation_")}
"""The paper's Table 5 with the tuned recipe."""

ROWS = {**HRNET, **VIT, **TABLE_5}
"""By name."""
