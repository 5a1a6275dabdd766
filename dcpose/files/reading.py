"""Reading files that nobody vouches for: bounded, and never waiting for a pipe (no torch)."""

import errno
import json
import stat
from pathlib import Path
from typing import Any

MAX_JSON_BYTES = 2**31
"""Size of a JSON file that is read at all; a list of Python objects takes ten times as much."""


def named_path(name: str | Path) -> Path:
    """Return the path that a user names; `~` is the home folder, as in a shell."""
    try:
        return Path(name).expanduser()
    except RuntimeError:  # of nobody that the machine knows
        return Path(name)


def read_bounded(path: Path, max_bytes: int) -> bytes:
    """Read a whole file.

    Raises:
        OSError: if there is none, it is no file (a folder, a pipe, a device) or larger than
            `max_bytes`; `strerror` says so.
    """
    try:
        status = path.stat()
    except ValueError as error:  # a zero byte in the name, or text that no file name can hold
        raise OSError(errno.EINVAL, str(error), str(path)) from None
    if not stat.S_ISREG(status.st_mode):
        what = "a folder" if stat.S_ISDIR(status.st_mode) else "no regular file"
        raise OSError(errno.EINVAL, f"it is {what}", str(path))
    if status.st_size > max_bytes:
        found = f"{status.st_size} bytes, at most {max_bytes} are read"
        raise OSError(errno.EFBIG, found, str(path))
    return path.read_bytes()


def parse_json(data: bytes) -> Any:  # noqa: ANN401 - JSON can hold anything
    """Parse JSON: UTF-8, UTF-16 or UTF-32, with or without a byte order mark.

    NaN and Infinity are read, and are up to whoever looks at the numbers; of a key that stands
    twice in an object the last one counts.

    Raises:
        ValueError: if it is not JSON, is nested too deeply, or does not fit into memory.
    """
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except MemoryError:
        raise ValueError(f"{len(data)} bytes do not fit into memory") from None
