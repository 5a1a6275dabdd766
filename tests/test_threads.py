"""Pieces of work for single threads."""

import pytest
import torch

from dcpose.threads import one_thread_each


@pytest.fixture(params=[1, 3])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_results_are_in_order_and_of_one_thread_each(threads):
    results = one_thread_each(lambda piece: (piece, torch.get_num_threads()), range(7))
    assert results == [(piece, 1) for piece in range(7)]
    assert torch.get_num_threads() == threads


def test_errors_come_through(threads):
    with pytest.raises(ZeroDivisionError):
        one_thread_each(lambda piece: 1 // piece, [1, 0])
    assert torch.get_num_threads() == threads
