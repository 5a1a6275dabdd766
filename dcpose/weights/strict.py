"""Weights that have to fit a network: every name and every shape, or nothing is loaded."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from torch import Tensor


class Differences(NamedTuple):
    """How weights differ from those of a network; empty, so false under `any`, if they fit.

    Attributes:
        misshapen: names with the shape found and the shape expected.
        missing: names that the network alone has.
        unexpected: names that the weights alone have.
    """

    misshapen: list[tuple[str, tuple[int, ...], tuple[int, ...]]]
    missing: list[str]
    unexpected: list[str]

    def describe(self, limit: int = 20, title: Callable[[str], str] = str) -> str:
        """Return `2 missing: a, b; 1 unexpected: c` in one line.

        Args:
            limit: names of one kind that are listed.
            title: what to call a name.
        """
        kinds = {
            "misshapen": [f"{title(name)} {f}, expected {e}" for name, f, e in self.misshapen],
            "missing": [title(name) for name in self.missing],
            "unexpected": [title(name) for name in self.unexpected],
        }
        return "; ".join(listed(kind, names, limit) for kind, names in kinds.items() if names)


class WeightsMismatchError(ValueError):
    """A file does not fit a model.

    Attributes:
        missing: names that the model has and the file lacks, our names; or parts of an entry that
            the file lacks, its names.
        unexpected: names that the file has and the model lacks.
        misshapen: names with the shape found and the shape expected.
    """

    def __init__(self, message: str, found: Differences) -> None:
        super().__init__(message)
        self.misshapen, self.missing, self.unexpected = found


def differences(state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> Differences:
    """Compare names and shapes of weights with those of a network's state dict."""
    misshapen = [
        (name, tuple(tensor.shape), tuple(expected[name].shape))
        for name, tensor in state.items()
        if name in expected and tensor.shape != expected[name].shape
    ]
    missing = [name for name in expected if name not in state]
    return Differences(misshapen, missing, [name for name in state if name not in expected])


def listed(kind: str, names: list[str], limit: int = 20) -> str:
    """Return `3 missing: a, b and 1 more`."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return f"{len(names)} {kind}: {', '.join(names[:limit])}{more}"
