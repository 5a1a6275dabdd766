"""Files written in one step: whoever reads finds the old file or the new one, never half of one.

Uses the standard library alone.
"""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

_WAYS_OUT = {
    errno.ENOSPC: "free some space or choose another folder",
    errno.EDQUOT: "free some of your quota or choose another folder",
    errno.EFBIG: "raise the limit on file sizes (ulimit -f) or choose another folder",
    errno.EROFS: "the file system is read-only, choose another folder",
    errno.EACCES: "make the folder writable or choose another one",
    errno.EPERM: "make the folder writable or choose another one",
    errno.ENOENT: "its folder is gone; bring it back or choose another one",
}


class WriteError(OSError):
    """A file cannot be written; the message names it, what happened and the way out."""


@contextlib.contextmanager
def naming(path: Path, *others: Path, result: str = "") -> Iterator[None]:
    """Turn errors of the system about `path` into a `WriteError`.

    Args:
        path: file that the message names.
        others: further paths whose errors are about this file; those of any other stay as they are.
        result: what has become of the file, for the message.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, WriteError) or (
            error.filename is not None and Path(error.filename) not in (path, *others)
        ):
            raise
        reason = error.strerror or str(error)
        way_out = _WAYS_OUT.get(error.errno or 0, "choose another folder")
        parts = [part for part in (reason, result, way_out) if part]
        explained = WriteError(f"{path}: cannot be written: {'; '.join(parts)}")
        explained.errno = error.errno
        raise explained from error


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a name beside `path` to write a file to; if the block succeeds, it becomes `path`.

    The content is on disk before the name changes, so not even a power cut leaves half a file.

    Args:
        path: file to create or replace; its folder exists.

    Raises:
        WriteError: if the file cannot be written, be it in the block or after it.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    kept = "the old file is as it was" if path.exists() else ""
    try:
        with naming(path, temporary, path.parent, result=kept):
            yield temporary
            _sync(temporary)
            os.replace(temporary, path)
            _sync(path.parent)
    finally:
        with contextlib.suppress(OSError):  # it has its new name, or was never made
            temporary.unlink()


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file in one step; its folder exists.

    Raises:
        WriteError: if the file cannot be written; what was there before is unchanged.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file in one step; see `write_bytes`."""
    write_bytes(path, text.encode("utf-8"))


def remove_unfinished(folder: Path) -> None:
    """Remove what killed processes left of `replacing`, in a folder that nobody else writes to."""
    for path in folder.rglob(".*.tmp"):
        path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on disk."""
    flags = os.O_RDONLY
    if os.name == "nt":  # which syncs files that are open for writing, and no folders
        if path.is_dir():
            return
        flags = os.O_RDWR
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
