"""The order of people in an epoch of training: shuffled, but those who share frames together.

A clip costs three decoded frames, and the people of a frame need the same three. Where they stand
next to each other they come in one batch, and `PoseTrackClips` decodes for all of them once.

The order is unbiased: every person has one place in every epoch, runs of frames come in random
order, and a run's people in random order inside it. What is lost is that a batch holds several
people of a frame, so its clips are less varied than drawn one by one: a batch of 32 sees some 6
moments at 6 people per frame. Crowded frames are cut into parts, so that none fills a batch.
"""

import numpy as np

MOST_PER_FRAME = 8
"""People of a frame that stay together; the shared decodes then cost less than the crops."""


def order_in_runs(
    videos: np.ndarray, frames: np.ndarray, length: int, rng: np.random.Generator
) -> np.ndarray:
    """Return (N,) numbers of people, each once, those of the same frames together.

    Args:
        videos: (N,) int64 number of each person's video.
        frames: (N,) int64 number of each person's frame.
        length: frames of a run; 1 puts the people of a frame together, more those of neighbouring
            frames, too, which pays where frames hold one or two people.
        rng: draws the order.

    Raises:
        ValueError: if the length is not positive, or the arrays differ in length.
    """
    if length < 1 or videos.shape != frames.shape:
        raise ValueError(
            f"expected a positive length and as many videos as frames, got {length}, "
            f"{videos.shape} and {frames.shape}"
        )
    shuffled = rng.permutation(len(frames))
    # runs begin elsewhere in every epoch, so that not the same frames always meet
    keys = (videos << 32) + (frames + rng.integers(length)) // length
    _, run, count = np.unique(keys, return_inverse=True, return_counts=True)
    by_run = shuffled[np.argsort(run[shuffled], kind="stable")]

    place = np.arange(len(by_run)) - np.repeat(np.cumsum(count) - count, count)
    parts = -(-count // (MOST_PER_FRAME * length))
    part = place * np.repeat(parts, count) // np.repeat(count, count)
    group = np.repeat(np.cumsum(parts) - parts, count) + part
    turn = rng.permutation(parts.sum())[group]
    return by_run[np.argsort(turn, kind="stable")]
