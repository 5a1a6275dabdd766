"""A tiny model, clips and trainer for the engine's tests; also run as a program by some of them.

    python engine_fakes.py RUN_DIR EPOCHS [--resume] [--kill-in-epoch N]

trains and writes RUN_DIR/weights.pt at the end.
"""

import argparse
import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from dcpose.engine import optim
from dcpose.engine.encodings import TrainingSource
from dcpose.engine.run.folder import Run
from dcpose.engine.run.randomness import seed_everything
from dcpose.engine.state import TrainingState
from dcpose.engine.train_settings import TrainSettings
from dcpose.engine.trainer import Trainer
from dcpose.heatmap import encode
from dcpose.models.interface import Supervised
from dcpose.structures import ClipBatch, PersonRecord

JOINTS, CROP_WH, HEATMAP_WH = 3, (32, 48), (8, 12)


class TinyModel(nn.Module):
    """Heatmaps of the current frame, one quarter of the crop's size.

    BatchNorm gives it buffers and dropout makes it draw random numbers.
    """

    stride = 4

    def __init__(self, dropout: float = 0.2) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 4, stride=4)
        self.norm = nn.BatchNorm2d(4)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Conv2d(4, JOINTS, 1)

    def forward(self, frames: Tensor, gaps: Tensor) -> Tensor:
        current = frames[:, frames.shape[1] // 2]
        return self.head(self.dropout(torch.relu(self.norm(self.stem(current)))))

    def encode(self, frames: Tensor) -> Tensor:
        return frames

    def training_outputs(self, frames: Tensor, gaps: Tensor) -> dict[str, Supervised]:
        return {"heatmaps": Supervised(self(frames, gaps))}

    def stages(self, frames: Tensor, gaps: Tensor) -> dict[str, Tensor]:
        return {"heatmaps": self(frames, gaps)}


class PlainLoss(nn.Module):
    """Weighted squared error, a mean over everything."""

    def forward(self, heatmaps: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        return (weights[..., None, None] * (heatmaps - targets).square()).mean()


def make_batch(size: int, seed: int) -> ClipBatch:
    """Random clips of people named after the seed."""
    generator = torch.Generator().manual_seed(seed)
    width, height = CROP_WH
    pixels = torch.randint(256, (size, 3, height, width, 3), generator=generator)
    identity = torch.tensor([[1.0, 0, 0], [0, 1, 0]], dtype=torch.float64)
    box = np.array([1.0, 2, 30, 40])
    return ClipBatch(
        people=[PersonRecord(f"video{seed}", 7, frame, box) for frame in range(size)],
        frames=pixels.to(torch.uint8),
        gaps=torch.ones(size, 2),
        crop_to_image=identity.repeat(size, 1, 1),
        joints=torch.rand(size, JOINTS, 2, generator=generator) * torch.tensor(CROP_WH),
        joint_weights=torch.ones(size, JOINTS),
    )


def encode_targets(batch: ClipBatch) -> tuple[Tensor, Tensor]:
    return encode(batch.joints, batch.joint_weights, CROP_WH, HEATMAP_WH, sigma=1.0)


def epoch_batches(epoch: int) -> list[ClipBatch]:
    """Three batches of two clips, others in each epoch, as augmentation makes them."""
    return [make_batch(2, seed=10 * epoch + i) for i in range(3)]


def make_trainer(
    run_dir: Path,
    *,
    model: nn.Module | None = None,
    train_batches: Callable[[int], list[ClipBatch]] = epoch_batches,
    validate: Callable[[nn.Module], dict[str, float]] | None = None,
    lr: float = 1e-2,
    optimizer: str = "adam",
    milestones: tuple[int, ...] = (2,),
    config: dict | None = None,
    dtype: torch.dtype = torch.float32,
    ema_decay: float | None = None,
    **settings,
) -> Trainer:
    model = TinyModel() if model is None else model
    optimizer = optim.make_optimizer(model.parameters(), optimizer, lr)
    scheduler = optim.make_scheduler(optimizer, milestones, 0.1)
    return Trainer(
        state=TrainingState(model, optimizer, scheduler, dtype, ema_decay),
        loss=PlainLoss(),
        encode_targets=encode_targets,
        source=TrainingSource(
            lambda epoch, skip=0: train_batches(epoch)[skip:] if skip else train_batches(epoch)
        ),
        validate=validate or (lambda model: {"AP": 50.0, "nose": float("nan")}),
        run=Run(run_dir, {"seed": 0} if config is None else config),
        settings=TrainSettings(**{"epochs": 3, "dtype": dtype, **settings}),
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("epochs", type=int)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--kill-in-epoch", type=int)
    args = parser.parse_args()

    def batches(epoch: int) -> list[ClipBatch]:
        made = epoch_batches(epoch)
        return PowerCut(made) if epoch == args.kill_in_epoch else made

    seed_everything(3)
    trainer = make_trainer(args.run_dir, train_batches=batches, epochs=args.epochs)
    if args.resume:
        trainer.resume(args.run_dir / "checkpoints" / "last.pt")
    trainer.fit()
    torch.save(trainer.state.model.state_dict(), args.run_dir / "weights.pt")


class PowerCut(list):
    """Batches of which the second never comes: the process is killed."""

    def __iter__(self):
        yield self[0]
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
