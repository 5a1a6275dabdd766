"""From what --weights says to a file: a path, a name of the zoo, hf:OWNER/REPO, or an address.

What is fetched is kept in the cache of the user, and its SHA-256 with it: a file that is damaged,
or that its publisher has exchanged, is refused.
"""

import difflib
import hashlib
import json
import logging
import os
import re
from datetime import date
from pathlib import Path
from urllib.parse import quote, urlsplit

from filelock import FileLock

from dcpose.files.cache_dir import default_cache_dir
from dcpose.files.downloading import DownloadError, check_address, download
from dcpose.files.reading import named_path
from dcpose.files.writing import write_text
from dcpose.weights.packaged import FOLDER
from dcpose.weights.reading import check_whole, hash_in_name, sha256_of
from dcpose.weights.zoo import PACKAGE, Entry, read_zoo

_log = logging.getLogger(__name__)

OFFLINE_SWITCHES = ("HF_HUB_OFFLINE", "DCPOSE_OFFLINE")
HF = "hf:"
HF_FILE = "model.safetensors"
"""The usual name of the weights in a repository of the hub."""
RECORD = "fetched.json"

_HF_SOURCE = re.compile(r"hf:([\w.-]+/[\w.-]+?)(?:@([\w./-]+?))?(?:/([^@]+))?")


def local_weights(name: str | Path) -> Path:
    """Return the file that is meant; a file that is there goes before a name.

    Args:
        name: a path; a name of `dcpose convert --list`; hf:OWNER/REPO[@REVISION][/FILE]; or an
            https address.

    Raises:
        FileNotFoundError: if it is none of these.
        ValueError: if it cannot be fetched, cannot be had by anybody, or is not the file that is
            known by this name.
    """
    path = named_path(name)
    if isinstance(name, Path) or path.exists():
        return path
    if name.startswith(HF) or "://" in name:
        return fetch(name)
    entry = zoo_entry(name)
    if entry is None:
        near = difflib.get_close_matches(name, read_zoo(), n=3)
        known = f"nearest names: {', '.join(near)}; " if near else ""
        raise FileNotFoundError(
            f"no weights file at {name}, and no weights of that name ({known}all: dcpose convert "
            "--list)"
        )
    if entry.source is None:
        raise ValueError(f"{name} cannot be fetched: {entry.state}")
    if entry.source.startswith(PACKAGE):
        return FOLDER / entry.source.removeprefix(PACKAGE)
    _log.info("%s: %s; licence of the weights: %s", name, entry.what, entry.weights)
    return fetch(entry.source, entry.sha256)


def zoo_entry(name: str | Path) -> Entry | None:
    """Return the entry of the zoo that a name means, unless a file of that name is there."""
    return None if named_path(name).exists() else read_zoo().get(str(name))


def fetch(source: str, sha256: str | None = None) -> Path:
    """Return a file from the cache, or fetch it there.

    Args:
        source: https address, or hf:OWNER/REPO[@REVISION][/FILE].
        sha256: SHA-256 of the file, or its first digits. None takes those in its name, else those
            recorded when it was first fetched.

    Raises:
        ValueError: if it cannot be fetched, or is another file than it was.
    """
    if source.startswith(HF) and (path := _by_hub_library(source)) is not None:
        _verify(path, source, sha256, fresh=False)
        return path
    address = hf_address(source) if source.startswith(HF) else source
    check_address(address)
    digest = hashlib.sha256(address.encode()).hexdigest()[:12]
    path = _cache() / digest / _file_name(address)
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f"{path.name}.lock")):  # other processes wait, and find it there
        fresh = not path.exists()
        if fresh:
            _refuse_offline(source, path)
            _log.info("fetching %s to %s", source, path)
            download(address, path)
        _verify(path, source, sha256, fresh)
    return path


def _cache() -> Path:
    return default_cache_dir() / "weights"


def hf_address(source: str) -> str:
    """Return the https address of hf:OWNER/REPO[@REVISION][/FILE].

    Raises:
        DownloadError: if it is not of that form.
    """
    repository, revision, file = _parse_hf(source)
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    return f"{endpoint}/{repository}/resolve/{quote(revision, safe='')}/{quote(file)}"


def _parse_hf(source: str) -> tuple[str, str, str]:
    match = _HF_SOURCE.fullmatch(source)
    if match is None:
        raise DownloadError(f"{source}: expected hf:OWNER/REPO[@REVISION][/FILE]")
    return match[1], match[2] or "main", match[3] or HF_FILE


def _file_name(address: str) -> str:
    name = urlsplit(address).path.rsplit("/", 1)[-1]
    return re.sub(r"[^\w.-]", "_", name) or "weights"


def _refuse_offline(source: str, path: Path) -> None:
    for switch in OFFLINE_SWITCHES:
        if os.environ.get(switch, "").lower() in ("1", "true", "yes", "on"):
            raise DownloadError(
                f"{source} is not in the cache, and {switch} forbids fetching it; unset it, or put "
                f"the file at {path}"
            )


def _by_hub_library(source: str) -> Path | None:
    """Take a file from huggingface_hub, which knows the user's token; None if it is not there."""
    try:
        from huggingface_hub import hf_hub_download
    except ModuleNotFoundError:
        return None
    repository, revision, file = _parse_hf(source)
    try:
        try:  # what is in its cache needs no network
            found = hf_hub_download(repository, file, revision=revision, local_files_only=True)
        except FileNotFoundError:
            found = hf_hub_download(repository, file, revision=revision)
    except Exception as error:  # its own kinds, those of its connections, and the system's
        text = " ".join(str(error).split())
        raise DownloadError(
            f"{source}: cannot be fetched ({type(error).__name__}: {text}); if the weights are not "
            f"in {HF_FILE}, name their file: hf:OWNER/REPO/FILE"
        ) from None
    return Path(found)


def _verify(path: Path, source: str, sha256: str | None, fresh: bool) -> None:
    """Make sure that a file is the one that is known by its source, and remember it.

    Raises:
        ValueError: if it is not; a fresh one is removed, so that it is not taken later.
    """
    record_file = _cache() / RECORD
    known = _read_record(record_file).get(source)
    if known is None:
        expected, origin = sha256 or hash_in_name(path), "as published"
        remedy = "fetch it again later, or ask who published it"
    else:
        expected, origin = known["sha256"], f"of what was fetched on {known['when']}"
        remedy = f"if its publisher has replaced it, remove its entry from {record_file}"
    try:
        check_whole(path)
        found = sha256_of(path)
        if expected is not None and not found.startswith(expected):
            raise DownloadError(
                f"{source}: has SHA-256 {found}, expected {expected} {origin}; it is damaged or "
                f"another file: {remedy if fresh else f'remove {path} to fetch it again'}"
            )
    except ValueError:
        if fresh:
            path.unlink()
        raise
    if known is None:
        record_file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(record_file.with_name(f"{RECORD}.lock")):
            entry = {"sha256": found, "bytes": path.stat().st_size, "when": str(date.today())}
            record = _read_record(record_file) | {source: entry}
            write_text(record_file, json.dumps(record, indent=1) + "\n")


def _read_record(path: Path) -> dict[str, dict[str, str]]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}
