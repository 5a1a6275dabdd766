"""infer --html: what the page holds, and what it does in headless Chromium where there is one."""

import json
import re
import shutil
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import av
import numpy as np
import pytest

from dcpose.estimator import html_page
from dcpose.estimator.frame_result import FrameResult, People
from dcpose.estimator.html_page import HtmlPage
from dcpose.skeleton import POSETRACK
from dcpose.video.opening import open_source

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "video"))
from video_clips import write_video

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on this machine (Debian: apt install chromium)"
)
FRAMES = 12
LOW = (4, 5, 9)
"""Frames where person 3 has a low score."""


def people_of(index, wh):
    """Two people: 0 on the left, 3 on the right from the third frame on."""
    boxes = np.array([[0.1, 0.1, 0.3, 0.8], [0.5, 0.1, 0.4, 0.8]]) * [*wh, *wh]
    corners = np.linspace(0.1, 0.9, 34).reshape(17, 2)
    joints = boxes[:, None, :2] + boxes[:, None, 2:] * corners
    scores = np.full((2, 17), 0.9)
    if index in LOW:
        scores[1] = 0.25
    scores[0, 5] = np.nan
    rows = slice(0, 1 if index < 2 else 2)
    ids = np.array([0, 3])
    return People(boxes[rows], np.ones(2)[rows], ids[rows], joints[rows], scores[rows])


def write_page(video, path, image=None):
    source = open_source(str(video))
    with HtmlPage(path, source, POSETRACK) as page:
        for frame in source:
            picture = frame.image if image is None else image(frame.index)
            people = people_of(frame.index, source.frame_wh)
            time = float(frame.ticks * source.time_base)
            page.write(FrameResult(frame.index, time, picture, people, POSETRACK,
                                   frame.ticks, frame.duration))  # fmt: skip
    return path


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    video = folder / "<b>&.mp4"
    write_video(video, num_frames=FRAMES)
    return write_page(video, folder / "page.html")


def data_of(path):
    text = path.read_text(encoding="utf-8")
    return json.loads(re.search(r'id="poses">(.*?)</script>', text)[1])


def film_of(path, folder):
    import base64

    text = path.read_text(encoding="utf-8")
    film = folder / "film.mp4"
    film.write_bytes(base64.b64decode(re.search(r'id="film">(.*?)</script>', text)[1]))
    return film


def test_the_page_holds_the_poses(page):
    data = data_of(page)
    assert len(data["times"]) == len(data["people"]) == FRAMES
    assert data["times"] == sorted(data["times"])
    assert data["joints"] == list(POSETRACK.joint_names)
    assert [len(people) for people in data["people"][:3]] == [1, 1, 2]
    expected = people_of(6, data["wh"])
    for row, person in enumerate(data["people"][6]):
        assert person["id"] == expected.track_ids[row]
        np.testing.assert_allclose(person["box"], expected.boxes_xywh[row], atol=0.06)
        assert person["score"] == pytest.approx(np.nan_to_num(expected.scores[row]), abs=6e-4)
        for j, name in enumerate(POSETRACK.joint_names):
            if name in POSETRACK.unlabelled or not np.isfinite(expected.joint_scores[row, j]):
                assert person["joints"][j] is None
            else:
                np.testing.assert_allclose(
                    person["joints"][j],
                    [*expected.joints[row, j], expected.joint_scores[row, j]],
                    atol=0.06,
                )


def test_limbs_have_their_sides(page):
    data = data_of(page)
    sides = {
        (data["joints"][start], data["joints"][end]): side for start, end, side in data["limbs"]
    }
    assert len(sides) == len(POSETRACK.limbs)
    assert sides["left_shoulder", "left_elbow"] == "left"
    assert sides["right_hip", "right_knee"] == "right"
    crossing = [
        side for pair, side in sides.items() if {n.split("_")[0] for n in pair} == {"left", "right"}
    ]
    assert set(crossing) == {"middle"}


def test_the_page_stands_alone_and_names_are_text(page):
    text = page.read_text(encoding="utf-8")
    assert "<title>&lt;b&gt;&amp;</title>" in text
    assert "<b>" not in text
    for elsewhere in ("http://", "https://", 'src="', "url(", "@import"):
        assert elsewhere not in text
    assert "{{" not in text.replace("${{", "")
    assert sorted(path.name for path in page.parent.iterdir()) == ["<b>&.mp4", "page.html"]


def test_the_film_is_the_video(page, tmp_path):
    with (
        av.open(str(film_of(page, tmp_path))) as film,
        av.open(str(page.parent / "<b>&.mp4")) as video,
    ):
        one, other = (
            [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
            for container in (film, video)
        )
        assert film.streams.video[0].codec_context.name == "h264"
    assert len(one) == len(other) == FRAMES
    assert np.abs(one[3].astype(int) - other[3]).mean() < 6


@pytest.mark.parametrize(("wh", "stored"), [((2000, 300), (1280, 192)), ((63, 47), (64, 48))])
def test_large_and_odd_videos_are_fitted(wh, stored, tmp_path):
    video = tmp_path / "in.mp4"
    write_video(video, num_frames=2)
    source = open_source(str(video))
    source.frame_wh = wh
    image = np.full((wh[1], wh[0], 3), 200, np.uint8)
    with HtmlPage(tmp_path / "p.html", source, POSETRACK) as page:
        page.write(FrameResult(0, 0.0, image, people_of(5, wh), POSETRACK))
    data = data_of(tmp_path / "p.html")
    assert tuple(data["wh"]) == stored
    scale = min(1, 1280 / wh[0])
    np.testing.assert_allclose(
        data["people"][0][1]["box"], scale * people_of(5, wh).boxes_xywh[1], atol=0.06
    )
    with av.open(str(film_of(tmp_path / "p.html", tmp_path))) as film:
        frame = next(film.decode(video=0))
        assert (frame.width, frame.height, frame.format.name) == (*stored, "yuv420p")


def test_without_a_frame_there_is_no_page(tmp_path):
    write_video(tmp_path / "in.mp4", num_frames=2)
    with HtmlPage(tmp_path / "p.html", open_source(str(tmp_path / "in.mp4")), POSETRACK):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_what_was_done_is_kept_when_it_breaks_off(tmp_path):
    write_video(tmp_path / "in.mp4", num_frames=4)
    source = open_source(str(tmp_path / "in.mp4"))

    def half():
        with HtmlPage(tmp_path / "p.html", source, POSETRACK) as page:
            for frame in source:
                if frame.index == 2:
                    raise KeyboardInterrupt
                people = people_of(frame.index, source.frame_wh)
                page.write(FrameResult(frame.index, frame.index / 25, frame.image, people,
                                       POSETRACK, frame.ticks))  # fmt: skip

    with pytest.raises(KeyboardInterrupt):
        half()
    assert len(data_of(tmp_path / "p.html")["times"]) == 2


def test_a_large_page_is_said(page, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(html_page, "LARGE_MB", 0.001)
    write_page(page.parent / "<b>&.mp4", tmp_path / "p.html")
    assert "may be too much for a browser" in caplog.text


PROBE = (Path(__file__).parent / "probe.html").read_text(encoding="utf-8")
CATCH = """<script>
window.errors = [];
window.addEventListener("error", e => errors.push(e.message));
HTMLElement.prototype.setPointerCapture = () => {};  // there is no pointer
</script>"""


WIDTHS = {"wide": 1200, "narrow": 500}


@pytest.fixture(scope="module")
def probed_by_width(page, tmp_path_factory):
    """What a script in the page sees at each width; it tells a server, because videos take time."""
    told = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    folder = tmp_path_factory.mktemp("browser")
    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.timeout = 90
    text = page.read_text(encoding="utf-8").replace("<body>", f"<body>{CATCH}")
    (folder / "probe.html").write_text(
        text.replace("</body>", PROBE.replace("PORT", str(server.server_port)) + "</body>")
    )
    views = (
        f'<iframe src="probe.html" width="{w}" height="900"></iframe>' for w in WIDTHS.values()
    )
    both = folder / "both.html"  # in one browser: starting it takes longer than all else
    both.write_text(f'<body style="display: flex; margin: 0">{"".join(views)}')
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--mute-audio",
        "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
        "--autoplay-policy=no-user-gesture-required", f"--user-data-dir={folder / 'profile'}",
        "--remote-debugging-port=0", "--window-size=1750,950", both.as_uri(),
    ]  # fmt: skip
    browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in WIDTHS:
            server.handle_request()
    finally:
        browser.terminate()
        browser.wait(timeout=30)
        server.server_close()
    return {found.get("width"): found for found in told}


@pytest.fixture(params=WIDTHS)
def probed(request, probed_by_width):
    """What the script saw at a width."""
    width = WIDTHS[request.param]
    assert width in probed_by_width, f"the page told nothing within 90 seconds: {probed_by_width}"
    return probed_by_width[width]


@needs_chromium
def test_the_page_plays_and_draws(probed):
    assert probed["errors"] == []
    assert probed["loaded"]
    assert probed["size"] == [64, 48]
    assert probed["start"] == 0
    assert probed["drawn"] > 500
    assert probed["drawn_without"] == 0
    assert probed["timeline"] > 500
    assert probed["playing"]


@needs_chromium
def test_keys_buttons_and_timeline_move(probed):
    assert probed["after_three"] == probed["shown"] == 3
    assert probed["jumps"] == [4, 9, 9, 4]
    assert probed["end"] == FRAMES - 1
    assert probed["second_back"] == 0
    assert probed["clicked"] in (5, 6)
    assert probed["aria"][:2] == [str(probed["clicked"]), str(FRAMES - 1)]
    assert probed["aria"][2].startswith(f"frame {probed['clicked']} of {FRAMES - 1}, 0.")
    assert probed["no_low"][0] is True
    assert "in 0 frames, at 0 places" in probed["no_low"][1]
    assert probed["first_seen"] == 2


@needs_chromium
def test_people_are_listed_and_all_can_be_reached(probed):
    assert [row[:2] for row in probed["people"]] == [["0", "12"], ["3", "10"]]
    assert float(probed["people"][1][3]) < 0.3 < float(probed["people"][0][3])
    assert probed["unreachable"] == 0
    assert probed["overflow"] <= 0, f"at {probed['width']} px the page is too wide"
