"""What a run says while it works: log lines and progress; only the main process does."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from dcpose.engine.distributed import is_main

T = TypeVar("T")

LOGGER_NAME = "dcpose"

_LINE_EVERY_S = 5.0


def set_up_logging(log_file: Path | None = None) -> None:
    """Send the package's log lines to stderr and, if given, to the end of a file.

    Call it once in a tool; a second call replaces the first. Processes other than the main one
    say warnings only, and write no file.
    """
    logger = logging.getLogger(LOGGER_NAME)
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    logger.propagate = False
    logger.setLevel(logging.INFO if is_main() else logging.WARNING)
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if log_file is not None and is_main():
        handlers.append(logging.FileHandler(log_file, encoding="utf-8"))
    for handler in handlers:
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
        logger.addHandler(handler)


def with_progress(items: Iterable[T], title: str, total: int | None) -> Iterator[T]:
    """Pass items on, and say how far it is and how long it will take.

    A bar on a terminal; elsewhere a log line every few seconds. Silent outside the main process.

    Args:
        items: anything iterable.
        title: what is being done, for example `epoch 3/20`.
        total: number of items; None if unknown. More may come.
    """
    if not is_main():
        yield from items
        return
    logger = logging.getLogger(LOGGER_NAME)
    if sys.stderr.isatty():
        with logging_redirect_tqdm([logger]):
            yield from tqdm(items, desc=title, total=total, dynamic_ncols=True, leave=False)
        return
    start = last_line = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - last_line < _LINE_EVERY_S:
            continue
        if total is None:
            logger.info("%s: %d, %.1f/s", title, done, done / (now - start))
            last_line = now
        elif done < total:
            left = (now - start) / done * (total - done)
            logger.info("%s: %d/%d, %s left", title, done, total, format_seconds(left))
            last_line = now


def format_seconds(seconds: float) -> str:
    """Return h:mm:ss."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}"
