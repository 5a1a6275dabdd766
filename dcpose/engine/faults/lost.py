"""Lost helpers: a worker of the loader or another process of the training died, or hangs.

The libraries' errors name their own source files; the errors here say what happened to the run and
how it goes on.
"""

import contextlib
import multiprocessing
import re
import signal
import threading
from collections.abc import Iterator

from dcpose.engine.distributed import rank, world_size

_LOADER = re.compile(r"DataLoader (worker|timed out)")
_IN_WORKER = re.compile(r"Caught \w+ in DataLoader worker")
_EXCHANGE = re.compile(r"gloo|NCCL|Connection closed by peer|TCPStore|ProcessGroup", re.IGNORECASE)


class LostWorkerError(ChildProcessError):
    """A process that loads data died, or gave no batch for too long."""


class LostProcessError(ConnectionError):
    """Another process of the training died, or did not answer for too long."""


@contextlib.contextmanager
def explained_faults(timeout_s: float) -> Iterator[None]:
    """Turn errors about lost workers and processes into one line each, without a hang.

    Args:
        timeout_s: how long the run waits for others; the message names it.

    Raises:
        LostWorkerError: in place of an error of the DataLoader about a worker.
        LostProcessError: in place of an error of an exchange between processes.
    """
    try:
        yield
    except RuntimeError as error:
        text = _first_line(error)
        if _LOADER.search(text):
            raise _lost_worker(text, timeout_s) from error
        if world_size() > 1 and _EXCHANGE.search(text):
            raise LostProcessError(
                f"process {rank()} of {world_size()} lost another one, which died or gave no "
                f"answer for {timeout_s:.0f} s (train.timeout_s); its own output says why: {text}; "
                f"continue with --resume"
            ) from error
        raise
    except (ConnectionError, EOFError) as error:
        # it died while it was handing a batch over
        raise _lost_worker(_first_line(error), timeout_s) from error
    except (ValueError, OSError) as error:
        if _IN_WORKER.match(str(error)):
            # the loader puts a traceback in front of the message
            own_text = str(error).rstrip().splitlines()[-1].partition(": ")[2]
            raise type(error)(own_text) from None
        raise


def _lost_worker(text: str, timeout_s: float) -> LostWorkerError:
    _end_children()
    return LostWorkerError(
        f"a process that loads data was lost: {text.rstrip('. ')}. Killed ones often ran "
        f"out of memory: lower data.workers; hung ones (nothing for {timeout_s:.0f} s, "
        f"train.timeout_s) often wait for a disk. Continue with --resume"
    )


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _end_children() -> None:
    """Kill loader processes, because Python would wait for a hung one at exit."""
    if hasattr(signal, "SIGCHLD") and threading.current_thread() is threading.main_thread():
        # torch's handler raises at the end of any child, as long as it remembers a dead worker
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for child in multiprocessing.active_children():
        child.kill()
        child.join()
