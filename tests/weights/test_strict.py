"""Names and shapes that have to fit."""

import torch

from dcpose.weights.strict import Differences, differences


def test_equal_names_and_shapes_fit():
    state = {"a": torch.zeros(2), "b": torch.zeros(2, 3)}
    assert not any(differences(state, {name: torch.ones_like(t) for name, t in state.items()}))


def test_what_differs_is_listed_by_kind():
    found = differences(
        {"a": torch.zeros(2), "c": torch.zeros(1)}, {"a": torch.zeros(3), "b": torch.zeros(1)}
    )
    assert found == Differences([("a", (2,), (3,))], ["b"], ["c"])
    assert found.describe() == "1 misshapen: a (2,), expected (3,); 1 missing: b; 1 unexpected: c"
    assert found.describe(title=str.upper).startswith("1 misshapen: A (2,)")


def test_long_lists_are_cut():
    found = Differences([], list("abcde"), [])
    assert found.describe(limit=3) == "5 missing: a, b, c and 2 more"
