"""Samples to batches: collating, shuffling, sharding, workers."""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler

from dcpose.data.dataset import PoseTrackClips
from dcpose.data.epoch_order import FrameRuns
from dcpose.structures import ClipBatch, ClipSample


def collate(samples: Sequence[ClipSample], frames: torch.Tensor | None = None) -> ClipBatch:
    """Stack samples.

    Args:
        samples: all of them carry joints, or none does.
        frames: (B, F, H, W, 3) their crops, where these are stacked already.
    """
    labelled = samples[0].joints is not None

    def stack(name: str) -> torch.Tensor:
        return torch.from_numpy(np.stack([getattr(sample, name) for sample in samples]))

    return ClipBatch(
        people=[sample.person for sample in samples],
        frames=stack("frames") if frames is None else frames,
        gaps=stack("gaps"),
        crop_to_image=stack("crop_to_image"),
        joints=stack("joints") if labelled else None,
        joint_weights=stack("joint_weights") if labelled else None,
    )


class EpochSampler(Sampler[tuple[int, int]]):
    """Shuffled (epoch, index) pairs, shared out over processes.

    The epoch travels with the index, so workers that live for the whole training know it. Order
    and shares depend on seed and epoch alone. Every process gets the same number of samples, a
    stretch of the order; its first ones are used twice where the number does not divide.

    Args:
        num_samples: size of the data set.
        seed: seeds the order, >= 0.
        rank: which share, 0 to world_size - 1.
        world_size: number of shares.
        runs: puts samples together that share frames; None shuffles them one by one.

    Raises:
        ValueError: if rank or num_samples is out of range.
    """

    def __init__(
        self,
        num_samples: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        runs: FrameRuns | None = None,
    ) -> None:
        if not 0 <= rank < world_size or num_samples < 1:
            raise ValueError(
                f"expected 0 <= rank < world_size and at least one sample, got rank {rank}, "
                f"world_size {world_size}, {num_samples} samples"
            )
        self.num_samples = num_samples
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.runs = runs
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration runs over."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Samples per process and epoch."""
        return -(-self.num_samples // self.world_size)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        rng = np.random.default_rng([self.seed, self.epoch])
        order = rng.permutation(self.num_samples) if self.runs is None else self.runs.order(rng)
        padded = np.resize(order, len(self) * self.world_size)
        epoch = self.epoch
        return ((epoch, int(index)) for index in padded.reshape(self.world_size, -1)[self.rank])


def make_train_loader(
    dataset: PoseTrackClips,
    batch_size: int,
    workers: int,
    seed: int,
    rank: int = 0,
    world_size: int = 1,
    pin_memory: bool = False,
    group_frames: int = 0,
) -> DataLoader[ClipBatch]:
    """Build the training loader; call `loader.sampler.set_epoch(epoch)` before each epoch.

    Args:
        dataset: labelled clips.
        batch_size: clips per process and step; the last batch of an epoch may be smaller.
        workers: processes that decode and crop; 0 does it in the calling process.
        seed: seeds the order of the clips.
        rank: this process among all that train together.
        world_size: how many train together.
        pin_memory: copy batches to page-locked memory, for CUDA.
        group_frames: neighbouring frames whose people stand together in the order, see
            `FrameRuns`; 0 shuffles people one by one.
    """
    runs = _frame_runs(dataset, group_frames) if group_frames else None
    return DataLoader(
        dataset,  # type: ignore[arg-type]  # yields ClipSample, which collate makes ClipBatch
        batch_size=batch_size,
        sampler=EpochSampler(len(dataset), seed, rank, world_size, runs),
        num_workers=workers,
        collate_fn=collate,
        pin_memory=pin_memory,
        worker_init_fn=_one_thread_per_worker,
        persistent_workers=workers > 0,
        # an own generator: the loader would otherwise draw from the global random state
        generator=torch.Generator().manual_seed(seed),
    )


def _frame_runs(dataset: PoseTrackClips, length: int) -> FrameRuns:
    _, videos = np.unique([person.video for person in dataset.people], return_inverse=True)
    frames = np.array([person.frame for person in dataset.people], np.int64)
    return FrameRuns(videos.astype(np.int64), frames, length)


def _one_thread_per_worker(worker: int) -> None:
    cv2.setNumThreads(0)
