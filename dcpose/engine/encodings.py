"""What a backbone that training leaves alone encodes: computed, shared between models, or given.

Shape legend: N images, B clips, F frames, C channels, H x W crop pixels, h x w pixels of encodings
(heatmaps or features).

There is one mechanism. A batch of training clips holds crops or `ClipBatch.encoded`; a
`TrainingSource` gives batches, and turns crops into encodings where the backbone is constant.
Encodings are computed by a `FrozenEncoder`, shared between models by `shared_batches`, or come from
the disk with the batch (`data.kept_encodings`).
"""

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from torch import Tensor, nn

from dcpose.engine.precision import autocast
from dcpose.structures import ClipBatch, normalise
from dcpose.threads import in_equal_calls


class SizedBatches(Protocol):
    """Batches of an epoch, or of the rest of it."""

    def __iter__(self) -> Iterator[ClipBatch]: ...

    def __len__(self) -> int: ...


@dataclass(frozen=True)
class FrozenEncoder:
    """Encodes images with a backbone that training leaves as it is.

    On a CPU the encoding of an image does not depend on the other images, to the last bit
    (`threads.in_equal_calls`): models that look at the same frame can share it, whatever else they
    look at. On CUDA the backbone is called once for all images.

    Attributes:
        network: gives what maps images (N, 3, H, W) to encodings (N, C, h, w), always the same;
            asked at the first image, when weights to resume with are in place.
        dtype: number format of a network that has none of its own.
        used: which frames of a clip are encoded.
    """

    network: Callable[[], nn.Module]
    dtype: torch.dtype = torch.float32
    used: slice = field(default_factory=lambda: slice(None))

    def images(self, images: Tensor) -> Tensor:
        """Return float32 encodings (N, C, h, w) of normalised images (N, 3, H, W)."""
        network = self.network()
        with autocast(images.device, self.dtype):
            if images.device.type == "cpu":
                return in_equal_calls(network, images).float()
            with torch.no_grad():
                return network(images).float()

    def clips(self, batch: ClipBatch) -> ClipBatch:
        """Return a batch on its device with encodings (B, F, C, h, w) in the place of crops."""
        frames = batch.network_input()[:, self.used]
        encoded = self.images(frames.flatten(0, 1)).unflatten(0, tuple(frames.shape[:2]))
        return replace(batch, frames=batch.frames[:, :0], encoded=encoded)


@dataclass(frozen=True)
class TrainingSource:
    """Where a training has its batches from.

    Attributes:
        batches: epoch, counted from 0, and a number to its batches without so many first ones.
        encoder: of the model's backbone; None leaves crops to the model.
    """

    batches: Callable[[int, int], SizedBatches]
    encoder: FrozenEncoder | None = None

    def load(self, batch: ClipBatch, device: torch.device) -> ClipBatch:
        """Return a batch on a device, with encodings in the place of crops where it can.

        It is called once for each batch, in their order.
        """
        batch = batch.to(device)
        if batch.encoded is not None:
            return replace(batch, encoded=batch.encoded.float())
        return batch if self.encoder is None else self.encoder.clips(batch)


def shared_batches(
    groups: Sequence[tuple[SizedBatches, Sequence[slice]]], encoder: FrozenEncoder
) -> "list[SharedBatches]":
    """Give several models, which train in step, the same people and one pass of one backbone.

    Models of one group see the same clips. Clips of different groups show the same people with
    other neighbours; crops that are the same are encoded once, whichever models look at them.

    Args:
        groups: of each group, the batches of an epoch and which frames its models look at.
        encoder: of the backbone that all have.

    Returns:
        the batches of each model, group by group.
    """
    all_used = [used for _, used in groups]
    rounds = zip(*(batches for batches, _ in groups), strict=True)
    places = [(group, one) for group, used in enumerate(all_used) for one in used]
    walks = itertools.tee((_Round(them, all_used, encoder) for them in rounds), len(places))
    length = len(groups[0][0])
    return [
        SharedBatches(walk, group, used, length)
        for walk, (group, used) in zip(walks, places, strict=True)
    ]


@dataclass(eq=False)
class _Round:
    """The batches of one place in the epoch, one for each group, and what is known of them."""

    batches: Sequence[ClipBatch]
    used: Sequence[Sequence[slice]]
    encoder: FrozenEncoder
    _known: tuple[Tensor, list[Tensor]] | None = None

    def encodings(self, device: torch.device) -> tuple[Tensor, list[Tensor]]:
        """Return encodings (N, C, h, w), and where those of each group are, (B, F)."""
        if self._known is None:
            frames = [batch.frames for batch in self.batches]
            needed = [_looked_at(used, frames[0].shape[1]) for used in self.used]
            crops, places = distinct_crops(frames, needed)
            at_once = frames[0].shape[0] * frames[0].shape[1]
            encoded = [
                self.encoder.images(normalise(some.to(device, non_blocking=True)))
                for some in crops.split(at_once)
            ]
            self._known = torch.cat(encoded), places
        return self._known


def _looked_at(used: Sequence[slice], num_frames: int) -> list[bool]:
    looked_at = {frame for one in used for frame in range(num_frames)[one]}
    return [frame in looked_at for frame in range(num_frames)]


@dataclass(eq=False)
class SharedBatches:
    """The batches of one of several models for one epoch, see `shared_batches`."""

    _rounds: Iterator[_Round]
    _group: int
    _used: slice
    _length: int
    _taken: deque[_Round] = field(default_factory=deque)  # whose batches wait for `load`

    def __len__(self) -> int:
        """Number of batches."""
        return self._length

    def __iter__(self) -> Iterator[ClipBatch]:
        """Take them one by one."""
        for taken in self._rounds:
            self._taken.append(taken)
            yield taken.batches[self._group]

    def load(self, batch: ClipBatch, device: torch.device) -> ClipBatch:
        """Pick the encodings of a batch, and move the rest; see `TrainingSource`."""
        encodings, places = self._taken.popleft().encodings(device)
        mine = places[self._group].to(encodings.device)[:, self._used]
        return replace(batch, frames=batch.frames[:, :0], encoded=encodings[mine]).to(device)


def distinct_crops(
    frames: Sequence[Tensor], needed: Sequence[Sequence[bool]]
) -> tuple[Tensor, list[Tensor]]:
    """Find the crops that are the same in clips of the same people with other neighbours.

    Args:
        frames: of each group, (B, F, H, W, 3) uint8; rows are the same people.
        needed: of each group, (F,), which frames of its clips anybody looks at.

    Returns:
        the distinct crops (N, H, W, 3); and where among them those of each group are, (B, F), or
        0 for what is not needed.
    """
    crops: list[Tensor] = []
    places = [torch.zeros(group.shape[:2], dtype=torch.int64) for group in frames]
    for row, frame in itertools.product(*map(range, frames[0].shape[:2])):
        known: dict[bytes, int] = {}  # crops of this person at this place in the clip
        for group, wanted, place in zip(frames, needed, places, strict=True):
            if wanted[frame]:
                crop = group[row, frame]
                number = known.setdefault(crop.numpy().tobytes(), len(crops))
                if number == len(crops):
                    crops.append(crop)
                place[row, frame] = number
    return torch.stack(crops), places
