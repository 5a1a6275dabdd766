"""Limits that every hostile input has to be told within: memory, time, one line."""

import signal
import sys
from contextlib import contextmanager

import pytest

MEMORY_MARGIN = 2**30
"""Bytes of address space that reading may add; the inputs ask for more."""
SECONDS = 120
"""A hang becomes a failure; nothing here takes more than a second or two of a free core."""
MAX_LINE = 2000

if sys.platform == "linux":
    import resource
else:  # the limits are Linux's, and some inputs are pipes
    collect_ignore_glob = ["*.py"]


class Hang(BaseException):
    """Raised by the alarm; no reader catches it."""


@contextmanager
def _limits():
    before = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm") as file:
        in_use = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (in_use + MEMORY_MARGIN, before[1]))
    previous = signal.signal(signal.SIGALRM, _on_alarm)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
        resource.setrlimit(resource.RLIMIT_AS, before)


def _on_alarm(number, frame):
    raise Hang


@pytest.fixture(scope="session")
def limits():
    """Context in which memory and time are limited."""
    return _limits


@pytest.fixture(scope="session")
def told():
    """Function (read, named, found) -> None: `read()` ends in our error, in one line.

    The error is a ValueError, its text names the file (`named`) and what was found there
    (None: anything).
    """

    def check(read, named, found):
        with _limits(), pytest.raises(ValueError, match=found) as caught:
            read()
        text = str(caught.value)
        assert str(named) in text
        assert len(text.splitlines()) == 1
        assert len(text) < MAX_LINE

    return check
