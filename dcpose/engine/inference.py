"""From clips to poses in image pixels.

Shape legend: B clips, F frames, J joints, H x W crop pixels; heatmaps are (B, J, h, w),
h = H / stride.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from dcpose.engine.devices import needs_proof, prove_device
from dcpose.engine.precision import autocast
from dcpose.geometry import Affine, cell_wh
from dcpose.heatmap import DECODERS, Decoding, heatmap_to_image
from dcpose.skeleton import Skeleton
from dcpose.structures import WITHOUT_FLOAT64, ClipBatch, PosePrediction
from dcpose.threads import one_thread_each


def predict(
    model: nn.Module,
    batches: Iterable[ClipBatch],
    device: torch.device,
    dtype: torch.dtype = torch.float32,
    flip: Skeleton | None = None,
    stride: int = 4,
    affine: Affine = "classic",
    decoding: Decoding = "quarter",
    zoom: float = 1.0,
) -> Iterator[PosePrediction]:
    """Run a model over clips and yield one pose per clip, in the order of the clips.

    Decoding happens on the device, and one small tensor per batch comes back. On a GPU one batch
    is computed while the poses of the one before are handed out; mps has to agree with the CPU on
    the first clip (`prove_device`). On a CPU every clip is computed by itself, by one thread: its
    pose depends neither on the other clips nor on the number of threads, to the last bit and on any
    processor (`dcpose.threads`).

    Args:
        model: in eval mode, on `device`; (frames (B, F, 3, H, W) normalised, gaps (B, F - 1))
            to heatmaps (B, J, H / stride, W / stride).
        batches: in host memory.
        device: where to compute.
        dtype: number format of the network; decoding is in float32, image pixels in float64.
        flip: skeleton of the heatmaps, to average each clip with its mirror image; None does not.
        stride: crop pixels to a heatmap pixel.
        affine: how the crops were cut.
        decoding: how joints are read off heatmaps: see `heatmap.DECODERS`.
        zoom: with `flip`, how much larger the clip that is not mirrored is shown to the model.

    Raises:
        ValueError: if the model is in training mode, gives heatmaps of another size or
            NaN; or if the device does not compute what the CPU does.
    """
    if model.training:
        raise ValueError("the model is in training mode, call model.eval() before predicting")
    reading = _Reading(stride, affine, DECODERS[decoding])
    compute = partial(_compute, model, reading=reading, dtype=dtype, flip=flip, zoom=zoom)
    if device.type == "cpu":
        yield from _predict_on_cpu(compute, batches)
        return
    if needs_proof(device):
        batches = _proved(model, batches, device)
    yield from _predict_on_gpu(compute, batches, device)


def _proved(
    model: nn.Module, batches: Iterable[ClipBatch], device: torch.device
) -> Iterator[ClipBatch]:
    """Pass batches on, after the device has computed the first clip as the CPU does."""
    for number, batch in enumerate(batches):
        if number == 0:
            first = batch.rows(slice(0, 1))
            prove_device(model, first.network_input(), first.gaps, device)
        yield batch


def _predict_on_gpu(
    compute: Callable[[ClipBatch], Tensor], batches: Iterable[ClipBatch], device: torch.device
) -> Iterator[PosePrediction]:
    under_way: deque[_Pending] = deque()
    for batch in batches:
        under_way.append(_Pending(batch, compute(batch.to(device))))
        if len(under_way) > 1:
            yield from under_way.popleft().poses()
    for pending in under_way:
        yield from pending.poses()


def _predict_on_cpu(
    compute: Callable[[ClipBatch], Tensor], batches: Iterable[ClipBatch]
) -> Iterator[PosePrediction]:
    for batch in batches:
        results = one_thread_each(compute, (batch.rows(slice(i, i + 1)) for i in range(len(batch))))
        yield from _Pending(batch, torch.cat(results)).poses()


class _Pending:
    """Poses of a batch on their way to the host."""

    def __init__(self, batch: ClipBatch, result: Tensor) -> None:
        self._batch = batch
        self._on_host = result.to("cpu", non_blocking=True)
        self._copied: torch.cuda.Event | None = None
        if result.is_cuda:
            self._copied = torch.cuda.Event()
            self._copied.record()

    def poses(self) -> Iterator[PosePrediction]:
        """Wait for the copy, and yield a pose per person."""
        if self._copied is not None:
            self._copied.synchronize()
        result = self._on_host.numpy()
        joints, scores = result[..., :2], result[..., 2]
        for row, person in enumerate(self._batch.people):
            if not (scores[row] == scores[row]).all():
                raise ValueError(
                    f"the model gave NaN heatmaps for {person.person_id}; use precision fp32, and "
                    f"check that the weights are finite"
                )
            yield PosePrediction(person, joints[row].copy(), scores[row].copy())


class _Reading(NamedTuple):
    """How joints in image pixels are read off heatmaps."""

    stride: int
    affine: Affine
    decode: Callable[[Tensor], tuple[Tensor, Tensor]]


@torch.inference_mode()
def _compute(
    model: nn.Module,
    batch: ClipBatch,
    *,
    reading: _Reading,
    dtype: torch.dtype,
    flip: Skeleton | None,
    zoom: float = 1.0,
) -> Tensor:
    """Return (B, J, 3) float64 x, y in image pixels and score.

    They are on the batch's device, or on the CPU if that has no float64.
    """
    frames = batch.network_input()
    with autocast(frames.device, dtype):
        if flip is None:
            heatmaps = model(frames, batch.gaps)
        else:
            heatmaps = _average_with_mirror(model, frames, batch.gaps, reading, flip, zoom)
    expected = tuple(side // reading.stride for side in frames.shape[-2:])
    if tuple(heatmaps.shape[-2:]) != expected:
        raise ValueError(
            f"heatmaps are {tuple(heatmaps.shape)} for frames {tuple(frames.shape)}, expected "
            f"(B, J, {expected[0]}, {expected[1]})"
        )
    crop_wh, heatmap_wh = (tuple(t.shape[:-3:-1]) for t in (frames, heatmaps))
    if heatmaps.device.type in WITHOUT_FLOAT64:
        heatmaps = heatmaps.cpu()
    joints, scores = reading.decode(heatmaps)
    cell = cell_wh(crop_wh, heatmap_wh, reading.affine)
    joints = heatmap_to_image(joints, batch.crop_to_image, cell)
    return torch.cat([joints, scores.double()[..., None]], dim=-1)


def _average_with_mirror(
    model: nn.Module,
    frames: Tensor,
    gaps: Tensor,
    reading: _Reading,
    skeleton: Skeleton,
    zoom: float,
) -> Tensor:
    """Return heatmaps (B, J, h, w), the mean of those of a clip and of its mirror image."""
    clips, udp = len(frames), reading.affine == "udp"
    mirrored = mirror(frames, 1 if udp else reading.stride)
    zoomed = magnify(frames, zoom, udp)
    heatmaps = model(torch.cat([zoomed, mirrored]), torch.cat([gaps, gaps])).float()
    permutation = torch.from_numpy(skeleton.flip_permutation).to(frames.device)
    mirrored_back = heatmaps[clips:].flip(-1)[:, permutation]
    return (magnify(heatmaps[:clips], 1 / zoom, udp) + mirrored_back) / 2


def magnify(maps: Tensor, factor: float, udp: bool = False) -> Tensor:
    """Enlarge or shrink (..., H, W) frames or heatmaps about the middle of the crop.

    The middle is half-way between the first pixel and the one after the last, and for the udp
    affine between the first and the last, so that frames and heatmaps of a crop keep together.
    Pixels are interpolated linearly; what shrunk maps do not reach is 0. Factor 1 changes nothing.
    """
    if factor == 1:
        return maps
    sides = maps.shape[-2:]
    places = []
    for side in sides:
        middle = (side - 1) / 2 if udp else side / 2
        place = middle + (torch.arange(side, device=maps.device) - middle) / factor
        places.append(2 * place / (side - 1) - 1)
    grid = torch.stack(torch.meshgrid(*places, indexing="ij")[::-1], dim=-1)
    flat = maps.reshape(1, -1, *sides).float()
    return functional.grid_sample(flat, grid[None], align_corners=True).reshape(maps.shape)


def mirror(frames: Tensor, stride: int = 4) -> Tensor:
    """Mirror (..., W) frames left to right, so that their heatmaps mirror exactly.

    With stride s, heatmap pixel i stands for crop pixel s i, so its mirror image W / s - 1 - i
    stands for crop pixel W - s - s i: crop column x has to go to W - s - x. That is a plain flip
    moved by s - 1 columns to the left; the last of them repeat the one before. (With a plain flip
    and stride 4 the two sets of heatmaps would lie three quarters of a pixel apart.) Crops of the
    udp affine, whose last heatmap pixel stands for the last crop pixel, want the plain flip: 1.
    """
    shift = stride - 1
    flipped = frames.flip(-1)
    if not shift:
        return flipped
    border = flipped[..., -1:].expand(*flipped.shape[:-1], shift)
    return torch.cat([flipped[..., shift:], border], dim=-1)
