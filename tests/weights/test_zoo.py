"""The table of published weights: every row is complete, its config exists, docs show it."""

import re
from pathlib import Path

import pytest
from torchvision.models import get_model_weights

import dcpose
from dcpose.detection.torchvision import DETECTORS
from dcpose.jobs.commands import convert_weights
from dcpose.weights.hub import _parse_hf, local_weights
from dcpose.weights.reading import hash_in_name
from dcpose.weights.zoo import PACKAGE, read_zoo

REPOSITORY = Path(__file__).resolve().parents[2]
ZOO = read_zoo()


@pytest.mark.parametrize("entry", ZOO.values(), ids=ZOO)
def test_every_entry(entry):
    assert entry.name.replace("_", "").isalnum()
    assert entry.use in ("weights", "backbone", "detector")
    assert all((entry.what, entry.code, entry.weights, entry.data, entry.state))
    if entry.source is None:
        assert "not fetched" not in entry.state  # but why it cannot be
    elif entry.source.startswith(PACKAGE):
        assert local_weights(entry.name).is_file()
    elif entry.source.startswith("hf:"):
        _parse_hf(entry.source)
    else:
        assert entry.source.startswith("https://")
        assert entry.sha256 == hash_in_name(Path(entry.source))


@pytest.mark.parametrize(
    "entry", [e for e in ZOO.values() if e.config], ids=lambda entry: entry.name
)
def test_configs_fit(entry):
    cfg = dcpose.load_config(entry.config_name, entry.overrides)
    backbone = cfg.model.backbone
    size = {
        "hrnet": lambda: f"W{backbone.width}",
        "simple_baseline": lambda: f"ResNet-{backbone.depth}",
        "efficientnet_lite": lambda: "EfficientNet-Lite0",
        "vit": lambda: f"ViTPose-{ {384: 'S', 768: 'B', 1024: 'L', 1280: 'H'}[backbone.width] }",
    }[backbone.name]()
    assert size in entry.what
    if re.search(r"\d+x\d+", entry.what):
        assert f"{cfg.data.crop_wh[1]}x{cfg.data.crop_wh[0]}" in entry.what


@pytest.mark.parametrize("name", DETECTORS)
def test_detectors_are_where_torchvision_fetches_them(name):
    assert ZOO[name].source == get_model_weights(name).DEFAULT.url


@pytest.mark.parametrize("depth", [50, 152])
def test_resnets_are_where_torchvision_fetches_them(depth):
    published = get_model_weights(f"resnet{depth}").IMAGENET1K_V1.url
    assert ZOO[f"resnet{depth}_imagenet"].source == published


def test_the_list(capsys):
    assert convert_weights.main(["--list"]) == 0
    blocks = capsys.readouterr().out.split("\n\n")
    assert len(blocks) == len(ZOO)
    for block, entry in zip(blocks, ZOO.values(), strict=True):
        assert block.startswith(f"{entry.name}: ")
        assert f"licence  code {entry.code}; weights {entry.weights}; data" in block
        assert (entry.source or "cannot be fetched") in block
        assert entry.state in block


def zoo_markdown():
    """Return the table for `docs/weights.md`."""
    can = ["| name | what | licence of code / of weights; data | from |", "|---|---|---|---|"]
    cannot = ["| name | what | why not |", "|---|---|---|"]
    for e in read_zoo().values():
        if e.source:
            terms = f"{e.code} / {e.weights}; {e.data}"
            can.append(f"| `{e.name}` | {e.what} ({e.use}) | {terms} | `{e.source}` |")
        else:
            cannot.append(f"| `{e.name}` | {e.what} | {e.state} |")
    return "\n".join([*can, "", *cannot]) + "\n"


def test_the_page_of_the_docs_is_this_table():
    page = (REPOSITORY / "docs/weights.md").read_text(encoding="utf-8")
    assert zoo_markdown() in page, f"expected there:\n{zoo_markdown()}"
