"""SIGTERM and Ctrl-C: the work in hand is finished and saved before the process ends.

One rule for training and for videos: a signal waits, and ends the process where nothing is to be
finished. Training looks for it between steps; a video ends between two frames.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Interrupted(KeyboardInterrupt):
    """A signal ended the work, and all of it is saved.

    Attributes:
        exit_code: 128 + the signal's number: 143 for SIGTERM, 130 for Ctrl-C.
    """

    def __init__(self, received: signal.Signals) -> None:
        super().__init__(f"stopped by {received.name}")
        self.exit_code = 128 + received


class StopRequest:
    """Remembers SIGTERM and Ctrl-C in a `with` block; the work asks for them at a good moment.

    A second Ctrl-C ends the process at once. A repeated SIGTERM changes nothing, because
    schedulers send several. Outside the main thread signals stay as they are.

    Args:
        work: what is finished first; a signal is answered with it.

    Attributes:
        received: the first signal so far, None before.
    """

    def __init__(self, work: str = "the step") -> None:
        self._work = work
        self.received: signal.Signals | None = None
        self._nothing_to_finish = False
        self._process = os.getpid()
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._take) for number in _SIGNALS}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    @contextmanager
    def nothing_to_finish(self) -> Iterator[None]:
        """Let signals end this block at once, since everything before it is saved.

        Raises:
            Interrupted: when a signal arrives, or has arrived before.
        """
        self._nothing_to_finish = True
        try:
            self.end_if_received()
            yield
        finally:
            self._nothing_to_finish = False

    @contextmanager
    def held(self) -> Iterator[None]:
        """Finish this part of a block of `nothing_to_finish`; signals end it afterwards.

        Raises:
            Interrupted: at the end, if a signal has arrived.
        """
        self._nothing_to_finish = False
        try:
            yield
        finally:
            self._nothing_to_finish = True
        self.end_if_received()

    def end_if_received(self) -> None:
        """Raise `Interrupted` if a signal has arrived."""
        if self.received is not None:
            raise Interrupted(self.received)

    def _take(self, number: int, frame: FrameType | None) -> None:
        first = self.received is None
        self.received = self.received or signal.Signals(number)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if first and os.getpid() == self._process:
            # print and logging may be at work already when a signal arrives
            os.write(2, f"{self.received.name}: finishing {self._work} and saving; ".encode())
            os.write(2, b"Ctrl-C ends at once\n")
        if self._nothing_to_finish:
            self.end_if_received()
