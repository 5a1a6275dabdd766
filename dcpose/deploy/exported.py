"""What is known about an exported network: the file `FILE.json` beside it. Needs no torch."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from dcpose.files.writing import write_text

FORM = "dcpose-exported-1"
Kind = Literal["onnx", "torch", "openvino"]
ENDINGS: dict[str, Kind] = {".onnx": "onnx", ".pt2": "torch", ".xml": "openvino"}
"""Kinds of exported files by the ending of their names."""


@dataclass(frozen=True)
class Parity:
    """How well an exported network agrees with the one that it was made of.

    Attributes:
        clips: rendered clips that went through both, in batches of 1, 2 and 8.
        off_peak: largest difference of the heatmaps over their highest peak; of files with their
            decoding inside, of the scores over the highest one.
        limit: what `off_peak` may be.
        moved_px: largest distance of a joint from where it was, in crop pixels; joints whose
            heatmap has two peaks of the same height to seven digits may jump.
        moved_px_99: what 99 % of the joints stay within.
        largest_offset_px: of the deformable convolutions, in heatmap pixels; null if there are
            none. Offsets of zero would prove nothing.
    """

    clips: int
    off_peak: float
    limit: float
    moved_px: float
    moved_px_99: float
    largest_offset_px: float | None

    def line(self) -> str:
        """Return one line that says it."""
        return (
            f"parity on {self.clips} rendered clips: {self.off_peak:.2g} of the peak (limit "
            f"{self.limit:g}), joints moved by {self.moved_px:.3f} px at most, 99 % by "
            f"{self.moved_px_99:.3f} px"
        )


@dataclass(frozen=True)
class ExportedCard:
    """Everything that is needed to use an exported network.

    Attributes:
        kind: format of the file.
        inputs: shape and number type by name; B is any number of clips.
        outputs: as inputs.
        mean, std: of RGB values in [0, 1], of the normalisation.
        normalisation_inside: the network takes uint8 RGB and normalises by itself.
        crop_wh: W, H of the crops.
        stride: crop pixels to a heatmap pixel.
        joints: names, in the order of the outputs.
        frames: offsets of the wanted frames from the current one, or a word; see `ClipFrames`.
        num_frames: F.
        decoding: how heatmaps become joints.
        decoding_inside: outputs are joints in crop pixels and scores, instead of heatmaps.
        precision: number format of the weights; computing is in float32.
        deform_form: how the graph says deformable convolution.
        winograd: chains of residual blocks are in Winograd's form, for CPUs.
        opset: of ONNX.
        versions: of the packages that made the file.
        weights: file name and hash of the weights.
        config: resolved config of the model.
        parity: see `Parity`.
    """

    kind: Kind
    inputs: dict[str, dict[str, Any]]
    outputs: dict[str, dict[str, Any]]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    normalisation_inside: bool
    crop_wh: tuple[int, int]
    stride: int
    joints: tuple[str, ...]
    frames: tuple[int, ...] | str
    num_frames: int
    decoding: str
    decoding_inside: bool
    precision: str
    deform_form: str
    winograd: bool
    opset: int | None
    versions: dict[str, str]
    weights: dict[str, str]
    config: dict[str, Any]
    parity: Parity | None = None


def kind_of(path: Path) -> Kind | None:
    """Return the kind of an exported file by its ending; None for files of weights."""
    return ENDINGS.get(path.suffix)


def ending_of(kind: Kind) -> str:
    """Return what names of files of a kind end in."""
    return next(ending for ending, other in ENDINGS.items() if other == kind)


def card_path(path: Path) -> Path:
    """Return `FILE.json` of FILE."""
    return path.with_name(path.name + ".json")


def write_card(path: Path, card: ExportedCard) -> None:
    """Write the card of an exported file."""
    content = {"form": FORM, "file": path.name, **asdict(card)}
    write_text(card_path(path), json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def read_card(path: Path) -> ExportedCard:
    """Read the card of an exported file.

    Raises:
        FileNotFoundError: if the file or its card is not there.
        ValueError: if the card is not what `write_card` wrote.
    """
    beside = card_path(path)
    for needed in (path, beside):
        if not needed.is_file():
            raise FileNotFoundError(
                f"no file {needed}: an exported network is two files, {path.name} and "
                f"{beside.name}, as tools/export.py writes them"
            )
    try:
        content = json.loads(beside.read_text(encoding="utf-8"))
        if content["form"] != FORM:
            raise ValueError(f"its form is {content['form']!r}, expected {FORM!r}")
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value := content[name], list) else value
            for name in ExportedCard.__dataclass_fields__
        }
        fields["parity"] = None if fields["parity"] is None else Parity(**fields["parity"])
        return ExportedCard(**fields)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{beside}: not the card of an exported network ({type(error).__name__}: {error}); "
            "export the weights again with tools/export.py"
        ) from None
