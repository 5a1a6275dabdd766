"""Fetch a file over https: what was cut short is continued, and only whole files are kept."""

import http.client
import logging
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from tqdm import tqdm

_log = logging.getLogger(__name__)

ATTEMPTS = 3
"""Connections that may break before it is left to the user to start again."""

TIMEOUT_S = 30.0
"""A server that sends nothing for so long is given up."""

BLOCK = 1 << 18
LOCAL = ("localhost", "127.0.0.1", "::1")


class DownloadError(ValueError):
    """A file that cannot be had; the message says what to do."""


class _CutShortError(Exception):
    """The connection ended before the file did."""


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    """Follows redirections, but none from https to something that can be read on the way."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        check_address(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def check_address(url: str) -> None:
    """Make sure that nobody on the way can change what comes.

    Raises:
        DownloadError: if the address is not https; this machine may use http.
    """
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOCAL):
        return
    raise DownloadError(f"{url}: expected an https address")


def download(url: str, target: Path, timeout_s: float = TIMEOUT_S) -> None:
    """Fetch a file; one that was begun before is continued if it is still the same.

    Args:
        url: https address.
        target: file to write, once it is whole; until then `<name>.part` grows beside it.
        timeout_s: longest silence of the server.

    Raises:
        DownloadError: if the server says no, keeps silent, or ends before the end of the file.
    """
    check_address(url)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _continue(url, part, timeout_s)
        except urllib.error.HTTPError as error:
            raise DownloadError(
                f"{url}: the server answers {error.code} {error.reason}; the file has moved or is "
                "gone: look for it where it was published, and give its path or new address"
            ) from None
        except (_CutShortError, OSError, http.client.HTTPException) as error:
            size = part.stat().st_size if part.exists() else 0
            if attempt == ATTEMPTS:
                reason = getattr(error, "reason", None) or error
                raise DownloadError(
                    f"{url}: cannot be fetched ({reason}); {size} bytes are kept, and the same "
                    "command continues where it ended"
                ) from None
            _log.info("%s: connection lost after %d bytes, trying again", url, size)
        else:
            break
    _tag_of(part).unlink(missing_ok=True)
    part.replace(target)


def _tag_of(part: Path) -> Path:
    return part.with_name(f"{part.name}.tag")


def _continue(url: str, part: Path, timeout_s: float) -> None:
    """Fetch what is missing of a file.

    Raises:
        _CutShortError: if it ended too soon.
    """
    tag_file = _tag_of(part)
    have = part.stat().st_size if part.exists() and tag_file.exists() else 0
    headers = {"User-Agent": "dcpose", "Accept-Encoding": "identity"}
    if have:
        # If-Range: a file that has changed since comes from its beginning
        headers |= {"Range": f"bytes={have}-", "If-Range": tag_file.read_text(encoding="utf-8")}
    opener = urllib.request.build_opener(_NoDowngrade)
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - checked above
    try:
        response = opener.open(request, timeout=timeout_s)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not have:  # more is here than there: begin anew
            raise
        part.unlink()
        return _continue(url, part, timeout_s)
    with response:
        start = have if response.status == 206 else 0
        length = response.headers.get("Content-Length")
        total = None if length is None else start + int(length)
        tag = response.headers.get("ETag") or response.headers.get("Last-Modified")
        if tag and not tag.startswith("W/"):
            tag_file.write_text(tag, encoding="utf-8")
        else:
            tag_file.unlink(missing_ok=True)
        _receive(response, part, start, total)
    if total is not None and part.stat().st_size != total:
        raise _CutShortError(f"{part.stat().st_size} of {total} bytes came")


def _receive(response: IO[bytes], part: Path, start: int, total: int | None) -> None:
    # disable=None: no bar where nobody watches
    bar = tqdm(total=total, initial=start, unit="B", unit_scale=True, disable=None, leave=False)
    with part.open("r+b" if start else "wb") as file, bar:
        file.seek(start)
        while block := response.read(BLOCK):
            file.write(block)
            bar.update(len(block))
