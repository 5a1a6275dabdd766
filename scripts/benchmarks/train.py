"""Suite train: a training step on clips that lie on the device, backbone frozen."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.measure import Options, Row, Table, side_by_side, speed_columns
from benchmarks.network import count_work, lively_model
from dcpose.deploy.fast import prepare_for_inference
from dcpose.engine.encodings import FrozenEncoder
from dcpose.engine.optim import make_optimizer
from dcpose.engine.precision import resolve_precision
from dcpose.engine.supervised import SupervisedModel
from dcpose.losses import JointsMSELoss
from dcpose.models.interface import TemporalModel
from dcpose.structures import ClipBatch

LEARNING_RATE = 1e-4
Step = Callable[[], object]


def measure_train(options: Options) -> list[Table]:
    """Compare steps of DCPose with HRNet-W48 on 288 x 384 crops; 32 clips on CUDA, 1 on a CPU."""
    model, (width, height) = lively_model(options)
    device = options.device
    clips = 32 if device.type == "cuda" and not options.smoke else 1
    generator = torch.Generator().manual_seed(1)
    frames = torch.randn(clips, 3, 3, height, width, generator=generator).to(device)
    targets = torch.rand(clips, 17, height // 4, width // 4, generator=generator).to(device)
    batch = (torch.ones(clips, 2, device=device), targets, torch.ones(clips, 17, device=device))
    with torch.no_grad():
        operations, _ = count_work(model, frames[:1], batch[0][:1])
        initial = torch.rand_like(targets)[:, None].repeat(1, 3, 1, 1, 1)
        head_operations, _ = count_work(HeadCall(model), initial[:1], batch[0][:1])
    last = frames.movedim(2, -1).contiguous().movedim(-1, 2)  # as a batch comes out of the loader
    dtype = resolve_precision("auto", device)
    fast = copy.deepcopy(model)
    prepared = prepare_for_inference(fast.image_encoder(), [frames[:1, 0]], dtype)
    encoder = FrozenEncoder(lambda: prepared, dtype)
    steps: dict[str, Step] = {
        "reference: eager, fp32, channels first, loss read": _step(
            model, frames, batch, torch.float32, read=True
        ),
        "as tools/train.py": _step(fast, last, batch, dtype, encoder),
        "as tools/train.py, train.cache_encodings": _step(
            copy.deepcopy(model), initial, batch, dtype, encoded=True
        ),
    }
    timings = side_by_side(steps, options)
    reference = next(iter(timings.values()))
    # the head's backward pass computes gradients of inputs and of weights
    total = dict.fromkeys(steps, operations + 2 * head_operations)
    total["as tools/train.py, train.cache_encodings"] = 3 * head_operations
    kind = "fp32" if dtype == torch.float32 else "bf16"
    formats = dict.fromkeys(steps, kind) | {next(iter(steps)): "fp32"}
    rows: list[Row] = [
        {
            "what": name,
            **speed_columns(timing, reference, clips),
            "seconds_floor": options.roofline.floor(0, total[name] * clips, formats[name]),
        }
        for name, timing in timings.items()
    ]
    title = f"DCPose, HRNet-W48, {width} x {height}, steps of {clips} clips, frozen backbone"
    return [Table(title, rows)]


class HeadCall(nn.Module):
    """The head of a DCPose as a module that is called with (initial, gaps)."""

    def __init__(self, model: TemporalModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, initial: Tensor, gaps: Tensor) -> Tensor:
        """Return heatmaps."""
        return self.model.decode(initial, gaps)


def _step(
    model: TemporalModel,
    given: Tensor,
    batch: tuple[Tensor, Tensor, Tensor],
    dtype: torch.dtype,
    encoder: FrozenEncoder | None = None,
    *,
    encoded: bool = False,
    read: bool = False,
) -> Step:
    """Return a step on frames, or on what the backbone encodes; `read` waits for the loss."""
    supervised = SupervisedModel(model, JointsMSELoss(), dtype).train()
    optimizer = make_optimizer(supervised.parameters(), "adam", LEARNING_RATE)
    gaps, targets, weights = batch
    clips = _Given([], given, gaps, torch.empty(0), encoded=given if encoded else None)

    def step() -> None:
        batch = clips if encoder is None else encoder.clips(clips)
        loss = supervised(batch, targets, weights)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if read:
            loss.item()

    return step


class _Given(ClipBatch):
    """Clips whose frames are normalised already."""

    def network_input(self) -> Tensor:
        """Return the frames as they are."""
        return self.frames
