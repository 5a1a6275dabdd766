"""Which labelled frames are for validation: whole videos, or blocks of time, never single frames.

Neighbouring frames are nearly equal, so a frame-by-frame split would measure what the network has
seen in training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dcpose.formats.labels.labels import LabelledVideo

NEAR_SHARE = (0.5, 1.25)
"""Whole videos are taken if they come to between this and this of the share that was asked for."""


def split_labels(
    videos: Sequence[LabelledVideo], val_share: float
) -> tuple[list[LabelledVideo], list[LabelledVideo], str]:
    """Split labelled frames.

    Videos are drawn, always the same ones, until they hold the share; where no choice of theirs
    comes near it, the last frames of every video are for validation instead.

    Args:
        videos: with labelled frames.
        val_share: part of the labelled frames to validate on, in (0, 1).

    Returns:
        videos to train on and to validate on, without those that are left with nothing, and how
        they were split, in words.

    Raises:
        ValueError: if the share is none, or a side would be empty.
    """
    if not 0 < val_share < 1:
        raise ValueError(f"--val-share: found {val_share}, expected between 0 and 1")
    if chosen := _whole_videos(videos, val_share):
        train = [video for i, video in enumerate(videos) if i not in chosen]
        val = [video for i, video in enumerate(videos) if i in chosen]
        return train, val, f"by video: {', '.join(video.name for video in val)} for validation"
    train, val = [], []
    for video in videos:
        count = len(video.frames)
        first_val = count - round(val_share * count)
        for part, frames in ((train, video.frames[:first_val]), (val, video.frames[first_val:])):
            if frames:
                part.append(replace(video, frames=frames))
    if not train or not val:
        total = sum(len(video.frames) for video in videos)
        raise ValueError(
            f"--val-share: {val_share} of {total} labelled frames leaves nothing to "
            f"{'train' if not train else 'validate'} on; label more frames or change the share"
        )
    return train, val, "by time: the last labelled frames of each video for validation"


def _whole_videos(videos: Sequence[LabelledVideo], val_share: float) -> set[int]:
    """Return the positions of videos that come near the share; nothing if none do."""
    wanted = val_share * sum(len(video.frames) for video in videos)
    chosen: set[int] = set()
    held = 0
    for index in np.random.default_rng(0).permutation(len(videos)).tolist():
        if held + len(videos[index].frames) <= NEAR_SHARE[1] * wanted:
            chosen.add(index)
            held += len(videos[index].frames)
    return chosen if held >= NEAR_SHARE[0] * wanted else set()
