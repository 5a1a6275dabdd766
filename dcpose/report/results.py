"""Results on disk: the table of a run together with the protocol that made it.

An AP without its protocol cannot be compared: 6.8 AP lie between detected and ground-truth boxes
for one and the same HRNet, more than between most networks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from dcpose.evaluation.evaluator import APResult, mean_of_defined
from dcpose.evaluation.measured import Measured
from dcpose.evaluation.mota import TrackingResult
from dcpose.evaluation.pixel_result import PixelResult
from dcpose.evaluation.subsets import subset_title
from dcpose.files.writing import write_bytes
from dcpose.report.tables import Table, row_of


@dataclass(frozen=True)
class Protocol:
    """What has to be known to compare one AP with another.

    Attributes:
        annotations: folder or file of the ground truth.
        metric: what is counted.
        boxes: "ground truth", or the detections file.
        min_box_score: threshold on detections; None for ground-truth boxes.
        joint_score: how joints are ranked.
        flip: whether heatmaps of the mirrored clip were averaged in.
        zoom: how much larger the clip that is not mirrored was shown then.
        oks_nms: OKS over which a pose is dropped for a better one of its frame; None drops none.
        decoding: how joints are read off heatmaps.
        precision: number format of the network: fp32, bf16, fp16 or mixed.
        crop_wh: network input in pixels.
        clip_frames: frames that the model sees for each pose.
        max_gap: T, frames to the farthest neighbour; None for a single-frame model.
        num_videos: videos evaluated; None for single images.
        num_frames: frames evaluated, those with annotated people.
        num_boxes: people whose pose was estimated, on all frames.
        weights: name of the weights file.
        weights_hash: first digits of its SHA-256.
        affine: how boxes become crops, see `geometry.Affine`.
        neighbors: what the model sees around the current frame; other than as_is, frames that
            take the place of the neighbours.
    """

    annotations: str
    metric: str
    boxes: str
    min_box_score: float | None
    joint_score: str
    flip: bool
    oks_nms: float | None
    decoding: str
    precision: str
    crop_wh: tuple[int, int]
    clip_frames: int
    max_gap: int | None
    num_videos: int | None
    num_frames: int
    num_boxes: int
    weights: str
    weights_hash: str
    affine: str = "classic"
    neighbors: str = "as_is"
    zoom: float = 1.0

    def line(self) -> str:
        """Return the protocol as one line of text."""
        threshold = "" if self.min_box_score is None else f", score >= {self.min_box_score}"
        clip = f"{self.clip_frames} frames, T = {self.max_gap}"
        if self.max_gap is None:
            clip = "single frame"
        if self.neighbors != "as_is":
            clip += f", neighbours: {self.neighbors.replace('_', ' ')}"
        zoomed = f" at {self.zoom:g} times the size" if self.flip and self.zoom != 1 else ""
        crop = "" if self.affine == "classic" else f" {self.affine}"
        extent = f"{self.num_videos} videos, {self.num_frames} frames"
        if self.num_videos is None:
            extent = f"{self.num_frames} images"
        return " · ".join(
            [
                f"{self.annotations}: {extent}",
                f"metric: {self.metric}",
                f"boxes: {self.boxes}{threshold} ({self.num_boxes})",
                f"joint score: {self.joint_score.replace('_', ' ')}",
                f"flip: {'on' if self.flip else 'off'}{zoomed}",
                f"OKS-NMS: {'off' if self.oks_nms is None else self.oks_nms}",
                f"decoding: {self.decoding}",
                f"precision: {self.precision}",
                f"crop {self.crop_wh[0]}x{self.crop_wh[1]}{crop}",
                clip,
                f"weights: {self.weights} {self.weights_hash}",
            ]
        )


def write_results(run_dir: Path, result: Measured, protocol: Protocol) -> None:
    """Write `results.json` (all numbers, the protocol) and `results.md` (the paper's row)."""
    content = {**result.to_json_dict(), "protocol": asdict(protocol)}
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    write_bytes(run_dir / "results.json", text.encode())
    write_bytes(run_dir / "results.md", markdown(result, protocol).encode())


def markdown(result: Measured, protocol: Protocol) -> str:
    """Return the paper's row and that of each subset as Markdown tables, then the protocol."""
    tables = [row_of(result.columns), *_subsets_of(result)]
    return "".join(f"{table.markdown()}\n\n" for table in tables) + f"{protocol.line()}\n"


def text(result: Measured, protocol: Protocol) -> str:
    """Return what the command line prints: the row, the protocol, a line per subset."""
    subsets = "".join(f"\n\n{table.text()}" for table in _subsets_of(result))
    return f"{row_of(result.columns).text()}\n{protocol.line()}{_found(result)}{subsets}"


def subset_table(subsets: Mapping[str, APResult]) -> Table:
    """Return a row with the AP of each subset, by label; there is at least one."""
    columns = next(iter(subsets.values())).columns
    rows = [
        [subset_title(name), str(ap.num_people), *(f"{value:.1f}" for value in ap.columns.values())]
        for name, ap in subsets.items()
    ]
    return Table(["subset", "people", *columns], rows)


def tracks_text(result: TrackingResult) -> str:
    """Return the row of MOTA, and a line with the other numbers."""
    rows = {"MOTP": result.motp, "precision": result.precision, "recall": result.recall}
    means = ", ".join(f"{name} {mean_of_defined(row):.1f}" for name, row in rows.items())
    hota = ", ".join(f"{name} {value:.1f}" for name, value in result.hota.values.items())
    people = f"people: IDF1 {result.idf1:.1f}, {result.id_switches} identity switches, {hota}"
    return f"{row_of(result.columns).text()}\n{means}; {people}"


def _found(result: Measured) -> str:
    """Return a line of what pixel errors leave out; nothing for other measures."""
    if not isinstance(result, PixelResult):
        return ""
    counts = result.counts()
    return (
        f"\n{counts['joints']} joints of {counts['people']} people; without a prediction "
        f"{counts['joints_missing']}; people too many {counts['extra_people']}"
    )


def _subsets_of(result: Measured) -> list[Table]:
    if isinstance(result, APResult) and result.subsets:
        return [subset_table(result.subsets)]
    return []
