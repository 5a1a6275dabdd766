"""Work for a CPU in pieces that one thread computes each, and calls of a network that are alike.

Networks round differently with another number of threads, another number of images in a call and
another order of the images in memory; how much depends on the processor. So no call here differs
from another in any of them.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor

T = TypeVar("T")
R = TypeVar("R")

IMAGES_PER_CALL = 4
"""Single images go through a network four at a time: more are no faster, fewer are slower."""


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


def in_equal_calls(network: Callable[..., Tensor], images: Tensor, *others: Tensor) -> Tensor:
    """Return a network's outputs (N, ...); no row of them depends on other rows of the inputs.

    That holds to the last bit, whatever the number of rows. Every call has one thread,
    images with channels last in memory, and one number of rows: a clip, or `IMAGES_PER_CALL` single
    images. Zeros fill the last call up, and their outputs are dropped. Computes no gradients, in
    the caller's autocast mode.

    Clips go alone because one clip per call needs no zeros. A call of four images is faster than
    four calls (1.3 times for HRNet-W32 at 256x192 on one core). It supposes that a network treats
    the places in a batch alike; `tests/same_bits` shows that they do, with
    several instruction sets.

    Args:
        network: of pieces of the inputs, on a CPU.
        images: (N, 3, H, W), or clips (N, F, 3, H, W).
        others: inputs (N, ...) that belong to the same rows.
    """
    rows = 1 if images.dim() > 4 else IMAGES_PER_CALL
    missing = -len(images) % rows
    pixels = _filled(images.movedim(-3, -1), missing).contiguous()
    inputs = [pixels.movedim(-1, -3), *(_filled(x, missing) for x in others)]
    dtype, enabled = torch.get_autocast_dtype("cpu"), torch.is_autocast_enabled("cpu")

    def outputs_of(piece: tuple[Tensor, ...]) -> Tensor:
        with torch.no_grad(), torch.autocast("cpu", dtype, enabled):
            return network(*piece)

    pieces = list(zip(*(x.split(rows) for x in inputs), strict=True))
    outputs = torch.cat(one_thread_each(outputs_of, pieces))
    return outputs[: len(images)].contiguous()  # what follows rounds by the order in memory, too


def _filled(x: Tensor, missing: int) -> Tensor:
    return torch.cat([x, x.new_zeros(missing, *x.shape[1:])]) if missing else x
