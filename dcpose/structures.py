"""What travels between data, network, inference and evaluation.

Legend: J joints; F frames of a clip in time order, the current one at F // 2; H x W crop pixels; B
clips in a batch. Points are (x, y). Boxes are left, top, width, height in image pixels. Matrices
are (2, 3) affine maps.

Importing this file does not import torch, so the evaluation works without it.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch
    from torch import Tensor

WITHOUT_FLOAT64 = frozenset({"mps"})
"""Types of devices that cannot hold float64: such tensors stay on the CPU."""

IMAGE_MEAN = (0.485, 0.456, 0.406)
"""Mean of RGB values in [0, 1] (ImageNet), what all published pose weights expect."""
IMAGE_STD = (0.229, 0.224, 0.225)
"""Standard deviation that goes with `IMAGE_MEAN`."""


@dataclass(frozen=True, eq=False)
class PersonRecord:
    """One person in one frame, as an annotation or detections file gives it.

    Attributes:
        video: name of the annotation file without `.json`; also names the predictions file.
        image_id: id of the frame in the annotation file.
        frame: number of the frame in its file name (first frame 0 in 2018 files, 1 in 2017 files).
        box_xywh: (4,) float64 person box as given, in image pixels.
        box_score: detector score; 1 for ground-truth boxes.
        joints: (J, 3) float64 x, y in image pixels and visibility 0 or 1; None for detections.
        track_id: identity in the video; None for detections.
    """

    video: str
    image_id: int
    frame: int
    box_xywh: np.ndarray
    box_score: float = 1.0
    joints: np.ndarray | None = None
    track_id: int | None = None

    @property
    def person_id(self) -> str:
        """What messages call this person: video, frame and box."""
        box = ", ".join(f"{value:.1f}" for value in self.box_xywh)
        return f"{self.video} frame {self.frame} box [{box}]"


ClipFrames = tuple[int, ...] | Literal["neighbors", "past", "support"]
"""Which frames make a clip:

    (-2, ..., 2)   frames at these offsets from the current one, in time order; (0,) is it alone
    neighbors      prev, cur, next: the current frame and one on either side within `data.max_gap`
    past           the same without looking ahead: prev, cur, and cur again in place of next
    support        a frame within `data.max_gap` of the current one on either side, and the current
"""


class ClipSpec(NamedTuple):
    """The frames that a model wants."""

    training: ClipFrames
    test: ClipFrames


@dataclass(frozen=True, eq=False)
class ClipSample:
    """The crops of one person, in NumPy, as a worker process makes them.

    Attributes:
        person: where the clip comes from.
        frames: (F, H, W, 3) uint8 RGB crops.
        gaps: (F - 1,) float32 distances of consecutive frames, each >= 1.
        crop_to_image: (2, 3) float64, from crop pixels to image pixels.
        joints: (J, 2) float32 in crop pixels; None at inference.
        joint_weights: (J,) float32, 0 for joints that the loss leaves out; None at inference.
        encoded: (F, C, h, w) float16 heatmaps or features of a backbone, in place of crops: F is 0
            in `frames`.
    """

    person: PersonRecord
    frames: np.ndarray
    gaps: np.ndarray
    crop_to_image: np.ndarray
    joints: np.ndarray | None = None
    joint_weights: np.ndarray | None = None
    encoded: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class ClipBatch:
    """Clips of B people, in tensors.

    Attributes:
        people: B records, in the order of the rows.
        frames: (B, F, H, W, 3) uint8 RGB; a quarter of the traffic of normalised floats.
        gaps: (B, F - 1) float32 distances of consecutive frames, each >= 1.
        crop_to_image: (B, 2, 3) float64, from crop pixels to image pixels.
        joints: (B, J, 2) float32 in crop pixels; None at inference.
        joint_weights: (B, J) float32, 0 for joints that the loss leaves out; None at inference.
        encoded: (B, F, C, h, w) heatmaps or features of a backbone, in place of crops: F is 0 in
            `frames`.
    """

    people: list[PersonRecord]
    frames: Tensor
    gaps: Tensor
    crop_to_image: Tensor
    joints: Tensor | None = None
    joint_weights: Tensor | None = None
    encoded: Tensor | None = None

    @classmethod
    def stack(cls, samples: Sequence[ClipSample], frames: Tensor | None = None) -> ClipBatch:
        """Stack samples that have the same fields.

        Args:
            samples: of B people.
            frames: (B, F, H, W, 3) their crops, where these are stacked already.
        """
        import torch

        stacked: dict[str, Tensor] = {} if frames is None else {"frames": frames}
        for field in fields(ClipSample):
            values = [getattr(sample, field.name) for sample in samples]
            if field.name != "person" and field.name not in stacked and values[0] is not None:
                stacked[field.name] = torch.from_numpy(np.stack(values))
        return cls([sample.person for sample in samples], **stacked)

    def __len__(self) -> int:
        """B."""
        return len(self.people)

    def rows(self, rows: slice) -> ClipBatch:
        """Return some of the clips."""
        return replace(self._map(lambda tensor: tensor[rows]), people=self.people[rows])

    def to(self, device: torch.device | str) -> ClipBatch:
        """Return the batch with its tensors on `device`; pinned memory is copied asynchronously.

        Float64 stays where it is if the device has none (`WITHOUT_FLOAT64`).
        """
        import torch

        lacks = torch.device(device).type in WITHOUT_FLOAT64

        def move(tensor: Tensor) -> Tensor:
            stays = lacks and tensor.dtype == torch.float64
            return tensor if stays else tensor.to(device, non_blocking=True)

        return self._map(move)

    def pin_memory(self) -> ClipBatch:
        """Return the batch in page-locked memory; the DataLoader calls this."""
        return self._map(lambda tensor: tensor.pin_memory())

    def network_input(self) -> Tensor:
        """Return (B, F, 3, H, W), see `normalise`, computed on the device of the batch."""
        return normalise(self.frames)

    def tensors(self) -> dict[str, Tensor]:
        """Return the tensors by the names of their fields, without those that are None."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: v for name, v in values.items() if name != "people" and v is not None}

    def _map(self, move: Callable[[Tensor], Tensor]) -> ClipBatch:
        moved: dict[str, Any] = {name: move(tensor) for name, tensor in self.tensors().items()}
        return replace(self, **moved)


def normalise(images: Tensor) -> Tensor:
    """Return (..., 3, H, W) float32 normalised RGB of (..., H, W, 3) uint8 RGB.

    In memory, channels stay the last axis.
    """
    import torch

    if images.device.type == "cpu":
        # NumPy asks for huge pages: a large batch takes half the time of torch's fresh memory
        values = torch.from_numpy(np.empty(images.shape, np.float32)).copy_(images)
    else:
        values = images.float()
    # whole rows of pixels: on a CPU, broadcasting over three channels is five times slower
    rows = values.flatten(-2)
    scale, offset = _normalisation(images.shape[-2], str(images.device))
    torch.addcmul(offset, rows, scale, out=rows)
    return rows.view(images.shape).movedim(-1, -3)


@functools.lru_cache(maxsize=8)
def _normalisation(width: int, device: str) -> tuple[Tensor, Tensor]:
    """Return factor and offset, (3 * width,), that normalise a row of RGB values in 0..255."""
    import torch

    # kept, so that a GPU need not wait for them to be copied; they may meet gradients later
    with torch.inference_mode(False):
        mean, std = torch.tensor(IMAGE_MEAN), torch.tensor(IMAGE_STD)
        scale, offset = 1 / (255 * std), -mean / std
        return scale.repeat(width).to(device), offset.repeat(width).to(device)


@dataclass(frozen=True, eq=False)
class PosePrediction:
    """The pose of one person in one frame.

    Attributes:
        person: whose pose; carries video, image id, box and box score.
        joints: (J, 2) float64 in image pixels.
        heatmap_scores: (J,) float64 heatmap peaks, before any box score is applied.
    """

    person: PersonRecord
    joints: np.ndarray
    heatmap_scores: np.ndarray
