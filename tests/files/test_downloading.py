"""Files that come whole, in pieces, changed, slowly or not at all, from a server here."""

import urllib.request

import pytest

from dcpose.files.downloading import ATTEMPTS, DownloadError, check_address, download

CONTENT = bytes(range(256)) * 4000
"""About a megabyte: several blocks."""


@pytest.fixture
def target(tmp_path):
    return tmp_path / "cache" / "weights.pth"


def begun(target):
    """What is there of an unfinished file."""
    part = target.with_name("weights.pth.part")
    return part.read_bytes() if part.exists() else None


def leftovers(target):
    return sorted(path.name for path in target.parent.iterdir())


@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize("etag", ['"1"', 'W/"1"', None])
def test_a_whole_file(server, target, etag, length):
    download(server.serve("a", CONTENT, etag=etag, length=length), target)
    assert target.read_bytes() == CONTENT
    assert leftovers(target) == ["weights.pth"]


def test_an_empty_file(server, target):
    download(server.serve("a", b""), target)
    assert target.read_bytes() == b""


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_a_server_that_refuses(server, target, status):
    url = server.serve("a", status=status)
    with pytest.raises(DownloadError, match=rf"{url}: the server answers {status} .*gone"):
        download(url, target)
    assert len(server.files["a"].asked) == 1
    assert not target.exists()


def test_a_broken_connection_is_taken_up(server, target):
    download(server.serve("a", CONTENT, share=(0.3, 0.5, 1.0)), target)
    assert target.read_bytes() == CONTENT
    first, second, third = server.files["a"].asked
    assert "Range" not in first
    assert second["Range"] == f"bytes={round(0.3 * len(CONTENT))}-"
    assert second["If-Range"] == '"1"'
    assert int(third["Range"][6:-1]) > int(second["Range"][6:-1])
    assert leftovers(target) == ["weights.pth"]


def test_what_is_cut_short_again_and_again_is_no_file(server, target):
    url = server.serve("a", CONTENT, share=(0.5,), ranges=False)
    with pytest.raises(DownloadError, match=r"\d+ of \d+ bytes came.*are kept, and the same"):
        download(url, target)
    assert len(server.files["a"].asked) == ATTEMPTS
    assert not target.exists()
    assert begun(target) == CONTENT[: len(CONTENT) // 2]


def test_the_next_call_continues(server, target):
    url = server.serve("a", CONTENT, share=(0.2,))
    with pytest.raises(DownloadError):
        download(url, target)
    kept = len(begun(target))
    assert kept > 0.2 * len(CONTENT)
    server.serve("a", CONTENT)
    download(url, target)
    assert target.read_bytes() == CONTENT
    assert [headers["Range"] for headers in server.files["a"].asked] == [f"bytes={kept}-"]


def test_a_file_that_changed_meanwhile_comes_from_its_beginning(server, target):
    url = server.serve("a", CONTENT, share=(0.2,))
    with pytest.raises(DownloadError):
        download(url, target)
    server.serve("a", CONTENT[::-1], etag='"2"')
    download(url, target)
    assert target.read_bytes() == CONTENT[::-1]


def test_nothing_to_tell_a_file_by_means_from_the_beginning(server, target):
    download(server.serve("a", CONTENT, etag=None, share=(0.2, 1.0)), target)
    assert target.read_bytes() == CONTENT
    assert all("Range" not in headers for headers in server.files["a"].asked)


def test_more_is_here_than_there(server, target):
    target.parent.mkdir()
    target.with_name("weights.pth.part").write_bytes(2 * CONTENT)
    target.with_name("weights.pth.part.tag").write_text('"1"')
    download(server.serve("a", CONTENT), target)
    assert target.read_bytes() == CONTENT


def test_redirections_are_followed(server, target):
    server.serve("a", CONTENT)
    download(server.serve("b", location="/a"), target)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("location", ["http://example.invalid/a", "ftp://example.invalid/a"])
def test_but_not_to_where_others_can_read(server, target, location):
    with pytest.raises(DownloadError, match="expected an https address"):
        download(server.serve("b", location=location), target)


def test_redirections_in_a_circle(server, target):
    with pytest.raises(DownloadError, match="the server answers 302"):
        download(server.serve("b", location="/b"), target)


def test_a_slow_server_is_waited_for(server, target):
    download(server.serve("a", CONTENT, silence_s=0.3), target, timeout_s=5)
    assert target.read_bytes() == CONTENT


def test_a_silent_server_is_not(server, target):
    url = server.serve("a", CONTENT, silence_s=1.0, ranges=False)
    with pytest.raises(DownloadError, match=r"timed out.*\d+ bytes are kept"):
        download(url, target, timeout_s=0.1)
    assert not target.exists()


def test_nobody_answers(target):
    with pytest.raises(DownloadError, match=r"refused.*0 bytes are kept"):
        download("http://127.0.0.1:9/a", target)


@pytest.mark.parametrize(
    "url", ["http://example.invalid/a", "file:///etc/passwd", "ftp://x/a", "a"]
)
def test_addresses_that_are_not_https(url, target, monkeypatch):
    monkeypatch.setattr(urllib.request, "build_opener", None)  # nobody is asked
    with pytest.raises(DownloadError, match="expected an https address"):
        download(url, target)


def test_https_is_fine():
    check_address("https://example.invalid/a")
