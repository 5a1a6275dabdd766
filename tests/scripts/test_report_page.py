"""scripts/report.py: the page of a tiny run, opened in headless Chromium where there is one."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from dcpose import load_config
from dcpose.jobs.validate import validate
from dcpose.report import charts

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on this machine (Debian: apt install chromium)"
)
QUIET = [
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--enable-logging=stderr",
    "--hide-scrollbars",
]  # fmt: skip
PROBE = """
<script>
window.addEventListener("load", () => {
  const all = selector => [...document.querySelectorAll(selector)];
  const stops = all("a[href], summary, [tabindex='0']");
  const reached = stops.filter(stop => { stop.focus(); return document.activeElement === stop; });
  const targets = all("nav a").map(a => document.querySelector(a.getAttribute("href")));
  const found = {
    width: window.innerWidth,
    overflow: document.documentElement.scrollWidth - window.innerWidth,
    images: all("img").map(img => img.complete && img.naturalWidth > 0),
    charts: all("figure.chart svg").map(svg => {
      const box = svg.getBoundingClientRect();
      const marks = svg.querySelectorAll("path, use").length;
      return [box.width, box.height, marks];
    }),
    unreachable: stops.length - reached.length,
    stops: stops.length,
    dangling: targets.filter(target => target === null).length,
  };
  const out = document.createElement("script");
  out.type = "application/json"; out.id = "probe"; out.textContent = JSON.stringify(found);
  document.body.append(out);
});
</script>
"""


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory, tiny_cfg, tiny_weights):
    """A run of tools/val.py on the sample, with a log as training writes it."""
    folder = tmp_path_factory.mktemp("run")
    cfg = load_config(tiny_cfg)
    validate(cfg, torch.device("cpu"), str(tiny_weights), folder)
    (folder / "checkpoints").mkdir(exist_ok=True)
    shutil.copy(tiny_weights, folder / "checkpoints" / tiny_weights.name)
    lines = [{"kind": "train", "step": s, "loss": 1 / s} for s in range(1, 9)]
    lines += [{"kind": "epoch", "step": 4, "AP": 3.0}, {"kind": "epoch", "step": 8, "AP": 5.0}]
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


@pytest.fixture(scope="module")
def page(run_dir, tmp_path_factory, load_command):
    """The page of two runs and a sweep."""
    sweep = tmp_path_factory.mktemp("sweep")
    (sweep / "table.md").write_text("| variant | Mean |\n|---|---:|\n| complete | 1.0 |\n")
    path = tmp_path_factory.mktemp("page") / "report.html"
    arguments = [f"first={run_dir}", f"second={run_dir}", "--sweep", str(sweep), "--people", "2"]
    assert load_command("scripts/report.py").main([*arguments, "--out", str(path)]) == 0
    return path


def browse(page: Path, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [CHROMIUM, *QUIET, f"--user-data-dir={folder / 'profile'}", *options, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


@pytest.fixture(scope="module", params=[1200, 500], ids=["wide", "narrow"])
def probed(request, page, tmp_path_factory):
    """What a script in the page sees, and what the console says, at a width."""
    folder = tmp_path_factory.mktemp("browser")
    probe = folder / "probe.html"
    probe.write_text(page.read_text().replace("</body>", PROBE + "</body>"))
    result = browse(probe, folder, f"--window-size={request.param},900", "--dump-dom")
    _, _, rest = result.stdout.partition('id="probe">')
    return json.loads(rest.partition("</script>")[0]), result.stderr


@needs_chromium
def test_everything_is_drawn_and_reachable(probed):
    found, console = probed
    assert len(found["charts"]) == 4
    assert all(
        width > 200 and height > 80 and marks > 10 for width, height, marks in found["charts"]
    )
    # two galleries of two people, six pictures each
    assert len(found["images"]) == 24
    assert all(found["images"])
    assert found["stops"] > 10
    assert (found["unreachable"], found["dangling"]) == (0, 0)
    assert found["overflow"] <= 0, f"at {found['width']} px the page is too wide"
    assert "CONSOLE" not in console


@needs_chromium
def test_a_screenshot_shows_the_bars_in_the_colours_of_the_runs(page, tmp_path):
    picture = tmp_path / "page.png"
    browse(page, tmp_path, "--window-size=1200,1600", f"--screenshot={picture}")
    shot = cv2.cvtColor(cv2.imread(str(picture)), cv2.COLOR_BGR2RGB)
    for number in (0, 1):
        code = charts.colour(number)
        rgb = [int(code[place : place + 2], 16) for place in (1, 3, 5)]
        assert (np.abs(shot.astype(int) - rgb).max(axis=2) <= 2).sum() > 50


def test_the_page_stands_alone(page):
    text = page.read_text()
    assert 'src="data:' in text
    assert "first" in text
    assert "complete" in text
    for elsewhere in ('src="http', 'href="http', "url(http", "@import"):
        assert elsewhere not in text


def test_without_weights_or_data_the_page_says_what_is_missing(
    run_dir, tmp_path, load_command, capsys
):
    copy = tmp_path / "copy"
    shutil.copytree(run_dir, copy)
    shutil.rmtree(copy / "checkpoints")
    main = load_command("scripts/report.py").main
    assert main([str(copy), "--people", "1"]) == 0
    assert "No heatmaps" in (copy / "report.html").read_text()
    config = (copy / "config.yaml").read_text()
    (copy / "config.yaml").write_text(config.replace("annotations/val", "annotations/gone"))
    assert main([str(copy)]) == 0
    text = (copy / "report.html").read_text()
    assert "no curves and no gallery" in text
    assert 'id="chart-1"' in text


@pytest.mark.parametrize("problem", ["no run", "no sweep", "same name"])
def test_wrong_arguments_end_in_one_line(problem, run_dir, tmp_path, load_command, capsys):
    arguments = {
        "no run": [str(tmp_path)],
        "no sweep": [str(run_dir), "--sweep", str(tmp_path)],
        "same name": [str(run_dir), str(run_dir)],
    }[problem]
    assert load_command("scripts/report.py").main([*arguments, "--out", str(tmp_path / "r")]) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert not (tmp_path / "r").exists()


def test_without_its_packages_it_says_how_to_get_them(run_dir, load_command, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for name in ("dcpose.report.charts", "dcpose.report.assemble", "dcpose.jobs.report"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.delattr("dcpose.report.charts", raising=False)
    assert load_command("scripts/report.py").main([str(run_dir)]) == 2
    assert "pip install -U 'dcpose[report]'" in capsys.readouterr().err
