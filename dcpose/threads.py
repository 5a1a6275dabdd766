"""Work for a CPU in pieces that one thread computes each.

Convolutions round differently with another number of threads, and with batches of another size.
What one thread computes in pieces of one size depends on neither; and it is no slower.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")


def one_thread_each(work: Callable[[T], R], pieces: Iterable[T]) -> list[R]:
    """Return what `work` makes of each piece, in order.

    As many pieces are under way as torch has threads, each with a single one. Gradient, inference
    and autocast modes are those of a thread, so `work` sets its own.
    """
    threads = torch.get_num_threads()
    if threads == 1:
        return [work(piece) for piece in pieces]
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            return list(pool.map(work, pieces))
        finally:
            torch.set_num_threads(threads)  # threads that start later take over the last value
