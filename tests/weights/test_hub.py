"""Names and addresses to files: fetched once, checked each time, refused when they changed."""

import json
import os
import shutil
import subprocess
import sys
import types
from pathlib import Path

import pytest
import torch

import dcpose
from dcpose.build.weights import config_of_weights
from dcpose.weights import hub
from dcpose.weights.hub import fetch, hf_address, local_weights
from dcpose.weights.reading import read_weights, sha256_of
from dcpose.weights.zoo import Entry


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache of our own, without huggingface_hub and its switches."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for switch in (*hub.OFFLINE_SWITCHES, "HF_ENDPOINT"):
        monkeypatch.delenv(switch, raising=False)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    return tmp_path / "dcpose" / "weights"


@pytest.fixture
def weights(tmp_path):
    """Bytes of a small file of weights."""
    path = tmp_path / "some.pth"
    torch.save({"a": torch.arange(1000.0)}, path)
    return path.read_bytes()


@pytest.fixture
def other(tmp_path):
    path = tmp_path / "other.pth"
    torch.save({"a": torch.ones(1000)}, path)
    return path.read_bytes()


@pytest.fixture
def zoo(monkeypatch):
    """Function: put an entry in the zoo."""

    def add(name, source, **facts):
        facts = {"state": "there", "use": "weights"} | facts
        entry = Entry(name, "something", code="A", weights="B", data="C", source=source, **facts)
        monkeypatch.setattr(hub, "read_zoo", lambda: {name: entry})

    return add


def test_an_address_is_fetched_once(server, weights, cache):
    url = server.serve("models/net.pth?download=1", weights)
    path = local_weights(url)
    assert path.name == "net.pth"
    assert torch.equal(read_weights(path).state["a"], torch.arange(1000.0))
    assert local_weights(url) == path
    assert len(server.files["models/net.pth?download=1"].asked) == 1
    record = json.loads((cache / "fetched.json").read_text())
    assert record[url]["sha256"] == sha256_of(path)
    assert record[url]["bytes"] == len(weights)


def test_a_file_goes_before_a_name(tmp_path, zoo, monkeypatch):
    zoo("net", "https://example.invalid/net.pth")
    monkeypatch.chdir(tmp_path)
    Path("net").write_bytes(b"x")
    assert local_weights("net") == Path("net")
    assert local_weights(Path("absent")) == Path("absent")
    assert hub.zoo_entry("net") is None


def test_a_name_of_the_zoo(server, weights, zoo):
    url = server.serve("net.pth", weights)
    zoo("net", url)
    assert local_weights("net") == fetch(url)


def test_an_unknown_name():
    with pytest.raises(
        FileNotFoundError, match=r"no weights file at .*nearest names: hrnet_w48_coco"
    ):
        local_weights("hrnet_w48_cocoo")
    with pytest.raises(FileNotFoundError, match="all: dcpose convert --list"):
        local_weights("runs/x/best.pt")


def test_what_nobody_can_fetch_says_why():
    with pytest.raises(ValueError, match=r"dcpose_posetrack17 cannot be fetched: .* 404 .*#51"):
        local_weights("dcpose_posetrack17")


@pytest.mark.parametrize("share", [(0.5,), (0.0,)])
def test_a_truncated_file_is_refused_and_not_kept(server, weights, share, cache):
    url = server.serve("net.pth", weights, share=share, ranges=False)
    with pytest.raises(ValueError, match="bytes came"):
        local_weights(url)
    assert not list(cache.rglob("*.pth"))
    assert not (cache / "fetched.json").exists()


def test_truncation_that_the_server_does_not_show(server, weights, cache):
    """Without a length only the file itself tells, and then its SHA-256."""
    url = server.serve("net.pth", weights[: len(weights) // 2], length=False)
    with pytest.raises(ValueError, match="is truncated"):
        local_weights(url)
    assert not list(cache.rglob("*.pth"))


@pytest.mark.parametrize("content", [b"<!DOCTYPE html><p>Sign in", b""])
def test_a_web_page_or_nothing_is_refused_and_not_kept(server, content, cache):
    url = server.serve("net.pth", content)
    with pytest.raises(ValueError, match=r"web page|is empty"):
        local_weights(url)
    assert not list(cache.rglob("*.pth"))


def test_a_known_hash(server, weights, other, zoo, cache):
    url = server.serve("net.pth", other)
    (cache.parent / "x").parent.mkdir(parents=True, exist_ok=True)
    known = cache.parent / "known"
    known.write_bytes(weights)
    zoo("net", url, sha256=sha256_of(known)[:16])
    with pytest.raises(ValueError, match=r"has SHA-256 .*, expected .* as published"):
        local_weights("net")
    assert not list(cache.rglob("*.pth"))
    server.serve("net.pth", weights)
    assert local_weights("net").read_bytes() == weights


def test_a_hash_in_the_name(server, weights, other, cache):
    known = cache.parent / "known"
    known.parent.mkdir(parents=True)
    known.write_bytes(weights)
    name = f"net-{sha256_of(known)[:8]}.pth"
    url = server.serve(name, other)
    with pytest.raises(ValueError, match="as published"):
        local_weights(url)
    server.serve(name, weights)
    assert local_weights(url).name == name


def test_a_file_that_changed_in_the_cache_is_refused(server, weights, other):
    url = server.serve("net.pth", weights)
    path = local_weights(url)
    for changed in (other, weights[:-100], weights[:100]):
        path.write_bytes(changed)
        with pytest.raises(
            ValueError, match=r"is truncated|expected \w+ of what was fetched on.*remove"
        ):
            local_weights(url)
    path.unlink()
    assert local_weights(url).read_bytes() == weights


def test_a_file_that_its_publisher_exchanged_is_refused(server, weights, other, cache):
    url = server.serve("net.pth", weights)
    local_weights(url).unlink()
    server.serve("net.pth", other, etag='"2"')
    with pytest.raises(
        ValueError, match=r"if its publisher has replaced it, remove its entry from"
    ):
        local_weights(url)
    (cache / "fetched.json").write_text("{}")
    assert local_weights(url).read_bytes() == other


@pytest.mark.parametrize("record", ["", "[]", "{", "nonsense"])
def test_a_broken_record_is_as_good_as_none(server, weights, cache, record):
    cache.mkdir(parents=True)
    (cache / "fetched.json").write_text(record)
    url = server.serve("net.pth", weights)
    assert local_weights(url).read_bytes() == weights
    assert list(json.loads((cache / "fetched.json").read_text())) == [url]


@pytest.mark.parametrize("switch", hub.OFFLINE_SWITCHES)
def test_offline(server, weights, switch, monkeypatch):
    url = server.serve("net.pth", weights)
    monkeypatch.setenv(switch, "1")
    with pytest.raises(
        ValueError, match=rf"{switch} forbids fetching it; unset it, or put"
    ) as caught:
        local_weights(url)
    assert not server.files["net.pth"].asked
    by_hand = Path(str(caught.value).rsplit(" ", 1)[1])
    by_hand.write_bytes(weights)
    assert local_weights(url) == by_hand
    monkeypatch.setenv(switch, "0")
    assert local_weights(url) == by_hand


@pytest.mark.parametrize(
    ("source", "address"),
    [
        ("hf:a/b", "https://huggingface.co/a/b/resolve/main/model.safetensors"),
        ("hf:a/b/c.pth", "https://huggingface.co/a/b/resolve/main/c.pth"),
        ("hf:a/b@v1/d/c d.pth", "https://huggingface.co/a/b/resolve/v1/d/c%20d.pth"),
        ("hf:a/b.c-d_e@refs", "https://huggingface.co/a/b.c-d_e/resolve/refs/model.safetensors"),
    ],
)
def test_addresses_of_the_hub(source, address):
    assert hf_address(source) == address


@pytest.mark.parametrize("source", ["hf:", "hf:a", "hf:/a/b", "hf:a//b", "hf:a b/c", "hf:a/b@"])
def test_wrong_addresses_of_the_hub(source):
    with pytest.raises(ValueError, match=r"expected hf:OWNER/REPO\[@REVISION\]\[/FILE\]"):
        local_weights(source)


def test_the_hub_without_its_library(server, weights, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    server.serve("a/b/resolve/main/model.safetensors", weights)
    path = local_weights("hf:a/b")
    assert path.name == "model.safetensors"
    assert path.read_bytes() == weights


class Library(types.ModuleType):
    """Stands in for huggingface_hub: one file, which comes into its cache when it is fetched."""

    def __init__(self, path, error=None):
        super().__init__("huggingface_hub")
        self.path, self.error, self.calls, self.here = path, error, [], False

    def hf_hub_download(self, repository, file, *, revision, local_files_only=False):
        self.calls.append((repository, file, revision, local_files_only))
        if local_files_only and not self.here:
            raise FileNotFoundError("not in the cache")
        if self.error:
            raise self.error
        self.here = True
        return str(self.path)


def test_the_hub_by_its_library(tmp_path, other, monkeypatch):
    library = Library(tmp_path / "some.pth")
    library.path.write_bytes(other)
    monkeypatch.setitem(sys.modules, "huggingface_hub", library)
    assert local_weights("hf:a/b@v1") == library.path
    assert local_weights("hf:a/b@v1") == library.path
    wanted = ("a/b", "model.safetensors", "v1")
    assert library.calls == [(*wanted, True), (*wanted, False), (*wanted, True)]
    library.path.write_bytes(other[:-200])
    with pytest.raises(ValueError, match="is truncated"):
        local_weights("hf:a/b@v1")


def test_errors_of_the_library_are_one_line(tmp_path, monkeypatch):
    library = Library(tmp_path / "x", error=RuntimeError("401\nUnauthorised"))
    monkeypatch.setitem(sys.modules, "huggingface_hub", library)
    with pytest.raises(
        ValueError, match=r"RuntimeError: 401 Unauthorised\); if .*hf:OWNER/REPO/FILE"
    ):
        local_weights("hf:a/b")


def test_two_processes_fetch_once(server, weights):
    url = server.serve("net.pth", weights, silence_s=0.5)
    code = "import sys; from dcpose.weights.hub import fetch; print(fetch(sys.argv[1]))"
    command = [sys.executable, "-c", code, url]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ) for _ in range(2)]
    paths = {process.communicate()[0] for process in both}
    assert [process.returncode for process in both] == [0, 0]
    assert len(paths) == 1
    assert len(server.files["net.pth"].asked) == 1


def test_a_network_of_the_zoo_brings_its_config(server, tiny_weights, tiny_cfg, zoo, monkeypatch):
    url = server.serve("tiny.pth", tiny_weights.read_bytes())
    zoo("net", url, config=f"{tiny_cfg} test.batch_size=3")
    cfg, found = config_of_weights("net", ["seed=5"])
    assert (cfg.experiment, cfg.test.batch_size, cfg.seed) == ("tiny", 3, 5)
    assert found.path.read_bytes() == tiny_weights.read_bytes()
    model = dcpose.build_model(cfg, "net")
    expected = dcpose.build_model(cfg, tiny_weights)
    for one, other in zip(model.parameters(), expected.parameters(), strict=True):
        assert torch.equal(one, other)
    estimator = dcpose.PoseEstimator(weights="net", device="cpu", detector="whole-frame")
    assert estimator.config.test.batch_size == 3


def test_the_command_lines_take_names(server, weights, zoo, capsys, tmp_path):
    from dcpose.jobs.commands import convert_weights

    url = server.serve("net.pth", weights)
    assert convert_weights.main(["--inspect", url]) in (1, 2)  # no network that is known
    assert "net.pth" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "dcpose")
    assert convert_weights.main(["--inspect", "hf:a"]) == 2
    assert capsys.readouterr().err.startswith("error: hf:a: expected hf:OWNER/REPO")
