"""Ways to walk through items that several loops share."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def groups_of(
    items: Iterable[T], size: int, *, finish_before_error: bool = False
) -> Iterator[list[T]]:
    """Yield lists of `size` items; the last one may be shorter.

    Args:
        items: any number.
        size: at least 1.
        finish_before_error: when the items raise an error, yield those before it first.
    """
    group: list[T] = []
    try:
        for item in items:
            group.append(item)
            if len(group) == size:
                yield group
                group = []
    except Exception:
        if finish_before_error and group:
            yield group
        raise
    if group:
        yield group


def timed(
    items: Iterable[T], clock: Callable[[], float] = time.perf_counter
) -> Iterator[tuple[T, float]]:
    """Yield each item with the seconds that it took to arrive."""
    iterator = iter(items)
    while True:
        asked = clock()
        try:
            item = next(iterator)
        except StopIteration:
            return
        yield item, clock() - asked
