"""Samples to batches: shuffling, sharding, workers."""

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import cast

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler

from dcpose.data.dataset import PoseTrackClips
from dcpose.data.epoch_order import order_in_runs
from dcpose.data.mixed import MixedClips
from dcpose.structures import ClipBatch


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
        shuffle: draws the order of all samples; None shuffles them one by one.

    Raises:
        ValueError: if rank or num_samples is out of range.
    """

    def __init__(
        self,
        num_samples: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        shuffle: Callable[[np.random.Generator], np.ndarray] | None = None,
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
        self.shuffle = shuffle
        self.epoch = self.skip = 0

    def set_epoch(self, epoch: int, skip: int = 0) -> None:
        """Choose the epoch that the next iteration runs over, without its first `skip` samples."""
        self.epoch, self.skip = epoch, skip

    def __len__(self) -> int:
        """Samples per process and whole epoch."""
        return -(-self.num_samples // self.world_size)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        rng = np.random.default_rng([self.seed, self.epoch])
        order = rng.permutation(self.num_samples) if self.shuffle is None else self.shuffle(rng)
        padded = np.resize(order, len(self) * self.world_size)
        epoch = self.epoch
        mine = padded.reshape(self.world_size, -1)[self.rank]
        return ((epoch, int(index)) for index in mine[self.skip :])


def make_train_loader(
    dataset: PoseTrackClips | MixedClips,
    batch_size: int,
    workers: int,
    seed: int,
    rank: int = 0,
    world_size: int = 1,
    pin_memory: bool = False,
    group_frames: int = 0,
    timeout_s: float = 0,
) -> DataLoader[ClipBatch]:
    """Build the training loader; `EpochBatches` gives the batches of an epoch.

    Args:
        dataset: labelled clips.
        batch_size: clips per process and step; the last batch of an epoch may be smaller.
        workers: processes that decode and crop; 0 does it in the calling process.
        seed: seeds the order of the clips.
        rank: this process among all that train together.
        world_size: how many train together.
        pin_memory: copy batches to page-locked memory, for CUDA.
        group_frames: neighbouring frames whose people stand together in the order, see
            `order_in_runs`; 0 shuffles people one by one.
        timeout_s: how long a batch may take before RuntimeError is raised; 0 waits for ever.
    """
    shuffle = None
    if group_frames:
        _, videos = np.unique([person.video for person in dataset.people], return_inverse=True)
        frames = np.array([person.frame for person in dataset.people], np.int64)
        shuffle = partial(order_in_runs, videos.astype(np.int64), frames, group_frames)
    return DataLoader(
        dataset,  # type: ignore[arg-type]  # yields ClipSample, stacked to ClipBatch
        batch_size=batch_size,
        sampler=EpochSampler(len(dataset), seed, rank, world_size, shuffle),
        num_workers=workers,
        collate_fn=ClipBatch.stack,
        pin_memory=pin_memory,
        worker_init_fn=_set_up_worker,
        persistent_workers=workers > 0,
        timeout=timeout_s if workers > 0 else 0,
        # an own generator: the loader would otherwise draw from the global random state
        generator=torch.Generator().manual_seed(seed),
    )


@dataclass(frozen=True, eq=False)
class EpochBatches:
    """The batches of an epoch, or of what is left of it; nothing is decoded for skipped ones.

    Attributes:
        loader: from `make_train_loader`.
        epoch: which, counted from 0.
        skip: how many batches to leave out at its start.
    """

    loader: DataLoader[ClipBatch]
    epoch: int
    skip: int = 0

    def __len__(self) -> int:
        """Number of batches."""
        return len(self.loader) - self.skip

    def __iter__(self) -> Iterator[ClipBatch]:
        """Load them."""
        sampler = cast(EpochSampler, self.loader.sampler)
        sampler.set_epoch(self.epoch, self.skip * cast(int, self.loader.batch_size))
        return iter(self.loader)


def _set_up_worker(worker: int) -> None:
    cv2.setNumThreads(0)
    # a terminal and some schedulers signal all processes; it is the main one's to end the workers
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
