"""Opening by PyAV: what differs between its versions, and names that look like addresses."""

from fractions import Fraction
from types import SimpleNamespace

import av
import pytest

from dcpose.video.container import known
from dcpose.video.opening import open_source
from dcpose.video.writer import VideoWriter


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_tags_in_another_encoding_are_no_obstacle(make_video, name):
    path = make_video(name, title="Café", sound=True)
    data = path.read_bytes()
    assert data.count("Café".encode()) == 1
    path.write_bytes(data.replace("Café".encode(), b"Caf\xe9 "))  # Latin-1, as old cameras write
    source = open_source(path)
    assert len(list(source)) == 6
    with VideoWriter(path.with_name("copy.mp4"), source) as writer:
        writer.write(next(iter(source)).image, 0)


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (None, None),
        (Fraction(30000, 1001), Fraction(30000, 1001)),
        (SimpleNamespace(numerator=1, denominator=25), Fraction(1, 25)),
        (SimpleNamespace(numerator=0, denominator=1), None),
        (SimpleNamespace(numerator=0, denominator=0), None),
    ],
)
def test_rates_are_fractions_or_missing(number, expected):
    result = known(number)
    assert result == expected
    assert result is None or type(result) is Fraction


@pytest.mark.parametrize(
    "name", ["2026-11-28T10:20:30.mp4", "http:a.mp4", "concat:a|b.mp4", "%03d.mp4", "file:x.mkv"]
)
def test_names_that_are_addresses(make_video, tmp_path, monkeypatch, name):
    make_video("plain.mp4" if name.endswith("4") else "plain.mkv", sound=True)
    (next(tmp_path.glob("plain.*"))).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    for where in (name, f"./{name}", tmp_path / name):
        assert len(list(open_source(where))) == 6
    source = open_source(name)
    out = tmp_path / f"copy of {name}.mp4"
    monkeypatch.chdir(tmp_path)
    with VideoWriter(out.relative_to(tmp_path), source) as writer:
        for frame in source:
            writer.write(frame.image, frame.ticks, frame.duration)
    assert len(list(open_source(out))) == 6
    with av.open(f"file:{out}") as container:
        assert len(container.streams.audio) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([name, out.name])
