"""What a layout of weights is: names there, names here, and what is done to the tensors.

Most layouts differ from ours in names alone, by their beginnings.
"""

import functools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import Tensor

from dcpose.weights.strict import Differences, WeightsMismatchError

Source = Literal[
    "dcpose",
    "hrnet",
    "mmpose",
    "timm",
    "torchvision",
    "posewarper",
    "simple_baseline",
    "efficientnet_lite",
    "vitpose",
    "transformers",
    "mae",
    "tar",
    "fami",
]
Pairs = tuple[tuple[str, str], ...]
"""Beginnings of names, theirs and ours; # stands for the same number in both."""

LEAF = r"(weight|bias|running_mean|running_var|num_batches_tracked)"
"""Last part of a name."""

NOTHING = re.compile(r"(?!)")

TRAINING_DATA = "; the terms of the training data (COCO, PoseTrack, ImageNet) apply besides"

MMPOSE_TERMS = "mmpose: Apache-2.0" + TRAINING_DATA


def as_they_are(state: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Return the entries of a file whose values and shapes are ours."""
    return dict(state)


@dataclass(frozen=True)
class Layout:
    """One way to name weights.

    Attributes:
        title: what messages call it.
        source: what `scripts/convert_weights.py --from` calls it.
        to_ours: our name for one of its names; unknown names come back in some form that no model
            has, so that they are found to be unexpected.
        to_theirs: the other way.
        left_out: its names that are no part of our networks (`last` stands for the last module
            of a stage).
        without: beginnings of our names that it does not have; a backbone loaded from it gets
            these initialised anew.
        colours: channel order of the images that it was trained on.
        terms: what is known of its licence.
        rework: turns entries of a file (its names; and its path, for messages) into entries of
            our shapes, before they are renamed. Raises WeightsMismatchError for parts that do not
            fit together.
        resamples_positions: its table of positions is for another grid than pose networks have.
    """

    title: str
    source: Source
    to_ours: Callable[[str], str]
    to_theirs: Callable[[str], str]
    terms: str
    left_out: re.Pattern[str] = NOTHING
    without: tuple[str, ...] = ()
    colours: Literal["RGB", "BGR"] = "RGB"
    rework: Callable[[Mapping[str, Tensor], Path], dict[str, Tensor]] = as_they_are
    resamples_positions: bool = False


def check_parts(
    state: Mapping[str, Tensor],
    groups: Iterable[list[str]],
    strange: list[str],
    path: Path,
    first_side: bool = True,
) -> None:
    """Check that entries which belong together are all there, in one shape.

    Args:
        state: names and tensors of a file.
        groups: names that have one shape; most of those in the file tell which.
        strange: names among them that nobody knows.
        path: the file, for messages.
        first_side: whether the first side has to agree, too.

    Raises:
        WeightsMismatchError: names what is missing, unknown or has another shape.
    """
    found = Differences([], [], strange)
    for names in groups:
        start = 0 if first_side else 1
        shapes = Counter(tuple(state[name].shape[start:]) for name in names if name in state)
        right = shapes.most_common(1)[0][0] if shapes else ()
        for name in names:
            if name not in state:
                found.missing.append(name)
            elif tuple(state[name].shape[start:]) != right:
                found.misshapen.append((name, tuple(state[name].shape), right))
    if any(found):
        raise WeightsMismatchError(f"{path} is not whole: {found.describe()}", found)


def by_pairs(pairs: Pairs) -> tuple[Callable[[str], str], Callable[[str], str]]:
    """Return `to_ours` and `to_theirs` of a layout whose names differ in their beginnings."""
    back = turned(pairs)
    return lambda name: swap(name, pairs), lambda name: swap(name, back)


def turned(pairs: Pairs) -> Pairs:
    """Return pairs the other way round."""
    return tuple((ours, theirs) for theirs, ours in pairs)


def swap(name: str, pairs: Pairs) -> str:
    """Exchange the beginning of a name by the first pair that fits; without one it stays."""
    for before, after in pairs:
        match = _pattern(before).match(name)
        if match:
            number = match[1] if "#" in before else ""
            return after.replace("#", number) + name[match.end() :]
    return name


@functools.cache
def _pattern(beginning: str) -> re.Pattern[str]:
    return re.compile(re.escape(beginning).replace(r"\#", r"(\d+)"))
