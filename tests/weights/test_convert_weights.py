"""The command line: converted files load with equal values, their cards and texts say the truth."""

import hashlib
import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from dcpose.config.loading import load_config
from dcpose.jobs.commands import convert_weights
from dcpose.models.backbones.hrnet import HRNet
from dcpose.models.single_frame import SingleFrame
from dcpose.weights.layouts.convnets import CONVNETS
from dcpose.weights.loading import load_backbone_weights, load_weights

PARTS = {"backbone", "ptm", "prf", "fusion", "pcn", "warper"}
SOURCES = {layout.title: layout.source for layout in CONVNETS}


@pytest.fixture(scope="module", name="convert_weights")
def command():
    return convert_weights


@pytest.fixture
def foreign_file(foreign_shapes, formula_weights, tmp_path):
    """Function: title of a layout -> file of a small network in it."""

    def write(title, name="foreign.pth"):
        torch.save({"state_dict": formula_weights(foreign_shapes[title], 7)}, tmp_path / name)
        return tmp_path / name

    return write


def _small_backbone():
    return HRNet(4, 3, modules=(1, 1, 1), blocks=1, stem_channels=4)


def _sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("title", SOURCES)
def test_converted_files_hold_our_names_and_a_card(
    title, foreign_file, foreign_shapes, convert_weights, tmp_path, capsys
):
    src, dst = foreign_file(title), tmp_path / "own.safetensors"
    assert convert_weights.main(["--from", SOURCES[title], str(src), str(dst)]) == 0
    card = json.loads((tmp_path / "own.json").read_text())
    state = load_file(dst)
    assert card["tensors"] == len(state)
    assert len(state) + sum(card["left_out"].values()) == len(foreign_shapes[title])
    assert all(name.split(".")[0] in PARTS for name in state)
    assert card["source"] == {
        "file": "foreign.pth",
        "sha256": _sha256(src),
        "bytes": src.stat().st_size,
        "layout": title,
    }
    assert (card["file"], card["sha256"]) == ("own.safetensors", _sha256(dst))
    assert card["image_channels"] == ("BGR" if title == "SimpleBaseline" else "RGB")
    assert card["licence"]
    assert card["versions"].keys() == {"dcpose", "python", "torch", "safetensors"}
    assert title in capsys.readouterr().out
    assert not list(tmp_path.glob(".*"))  # no temporary file is left


@pytest.mark.parametrize("title", ["released DCPose", "dcpose"])
def test_converted_dcpose_loads_with_equal_values(
    title, foreign_file, small_dcpose, convert_weights, tmp_path
):
    src, dst = foreign_file(title), tmp_path / "own.safetensors"
    convert_weights.convert(src, dst, "auto", None)
    first, second = small_dcpose(), small_dcpose()
    load_weights(first, src)
    load_weights(second, dst)
    assert all(torch.equal(a, b) for a, b in zip(first.buffers(), second.buffers(), strict=True))
    assert all(
        torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True)
    )


@pytest.mark.parametrize(
    "title", ["HRNet pose", "HRNet ImageNet", "mmpose 1.x", "mmpose 0.x", "PoseWarper"]
)
def test_converted_backbones_load_like_their_sources(
    title, foreign_file, convert_weights, tmp_path
):
    src, dst = foreign_file(title), tmp_path / "own.safetensors"
    convert_weights.convert(src, dst, "auto", None)
    torch.manual_seed(0)
    first, second = _small_backbone(), _small_backbone()
    second.final_layer.load_state_dict(first.final_layer.state_dict())
    load_backbone_weights(first, src)
    report = load_backbone_weights(second, dst)
    assert ("initialised anew" in str(report)) == (title == "HRNet ImageNet")
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name]), name


def test_a_second_conversion_keeps_what_the_source_lacked(foreign_file, convert_weights, tmp_path):
    once, twice = tmp_path / "once.safetensors", tmp_path / "twice.safetensors"
    convert_weights.convert(foreign_file("HRNet ImageNet"), once, "timm", None)
    card = convert_weights.convert(once, twice, "dcpose", None)
    assert card["without"] == ["backbone.final_layer."]
    with safe_open(twice, "pt") as file:
        assert file.metadata()["dcpose.without"] == "backbone.final_layer."
    with pytest.raises(ValueError, match=r"missing: backbone\.final_layer\.weight"):
        load_weights(SingleFrame(_small_backbone()), twice)


def test_config_of_the_card_builds_the_network(foreign_file, convert_weights, tmp_path):
    from dcpose import build_model

    dst = tmp_path / "own.safetensors"
    config = convert_weights.convert(foreign_file("released DCPose"), dst, "auto", None)["config"]
    assert config["model.prf.channels"] == 6
    (tmp_path / "own.yaml").write_text("experiment: own\ndata: {root: here}\n")
    overrides = [f"{key}={value}" for key, value in config.items()]
    build_model(load_config(tmp_path / "own.yaml", overrides), weights=dst)


def test_published_sizes_fit_the_shipped_configs(convert_weights):
    single_frame = {"model.name": "single_frame", "model.backbone.width": 48}
    fitting = convert_weights.fitting_configs(single_frame)
    assert "configs/posetrack18/single_frame_hrnet_w48.yaml" in fitting
    assert "configs/posetrack18/dcpose_hrnet_w48.yaml" not in fitting
    assert "configs/synthetic/single_frame.yaml" not in fitting  # narrower
    assert convert_weights.fitting_configs({"model.backbone.width": 47}) == []
    assert convert_weights.fitting_configs({"model.no.such.key": 47}) == []


def _lines(text):
    return {line[:9].strip(): line[10:] for line in text.splitlines()}


def test_inspect_tells_what_a_file_is(foreign_file, convert_weights, capsys):
    file = foreign_file("released DCPose")
    assert convert_weights.main(["--inspect", str(file)]) == 0
    lines = _lines(capsys.readouterr().out)
    assert lines["file"].endswith(f"{file.stat().st_size} bytes, SHA-256 {_sha256(file)}")
    assert lines["layout"].startswith("released DCPose: ")
    assert "model.backbone.width=4 model.backbone.stem_channels=4" in lines["config"]
    assert "model.pcn.dilations=[3,6]" in lines["config"]
    assert lines["fits"] == "no config that is shipped"
    assert lines["loads as"] == "--weights; model.backbone.weights"
    assert (lines["left out"], lines["problem"]) == ("nothing", "none")
    assert "shapes do not tell the dilations" in lines["notes"]


@pytest.mark.parametrize(
    ("title", "ways", "left_out"),
    [
        ("HRNet pose", "--weights; model.backbone.weights", "nothing"),
        (
            "HRNet ImageNet",
            "model.backbone.weights, its output layer is initialised anew",
            "1 x downsamp_modules",
        ),
        ("PoseWarper", "--weights; model.backbone.weights", "nothing"),
        ("SimpleBaseline", "--weights; model.backbone.weights", "nothing"),
        ("ResNet ImageNet", "", "2 x fc"),
    ],
)
def test_inspect_tells_what_a_file_is_good_for(
    title, ways, left_out, foreign_file, convert_weights, capsys
):
    assert convert_weights.main(["--inspect", str(foreign_file(title))]) == 0
    lines = _lines(capsys.readouterr().out)
    assert lines["loads as"].endswith(ways)
    assert left_out in lines["left out"]


def _damaged(foreign_file, tmp_path):
    state = torch.load(foreign_file("mmpose 1.x"))["state_dict"]
    del state["head.final_layer.bias"]
    torch.save(state, tmp_path / "damaged.pth")
    return tmp_path / "damaged.pth"


def test_what_would_not_load_is_named_and_not_converted(
    foreign_file, convert_weights, tmp_path, capsys
):
    file, dst = _damaged(foreign_file, tmp_path), tmp_path / "own.safetensors"
    message = "1 missing: backbone.final_layer.bias (in this layout head.final_layer.bias)"
    assert convert_weights.main(["--inspect", str(file)]) == 1
    assert message in _lines(capsys.readouterr().out)["problem"]
    assert convert_weights.main([str(file), str(dst)]) == 2
    assert message in capsys.readouterr().err
    assert not dst.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--from", "timm"], "has the layout of mmpose 1.x, expected timm; use --from mmpose"),
        (["--sha256", "00ff"], "expected 00ff... (--sha256): it is damaged or another file"),
    ],
)
def test_another_file_than_expected_is_refused(
    options, message, foreign_file, convert_weights, tmp_path, capsys
):
    src, dst = foreign_file("mmpose 1.x"), tmp_path / "own.safetensors"
    assert convert_weights.main([*options, str(src), str(dst)]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [src]


def test_hash_in_the_name_is_compared(foreign_file, convert_weights, tmp_path, capsys):
    src, dst = foreign_file("HRNet pose", "hrnet-0badc0de.pth"), tmp_path / "own.safetensors"
    assert convert_weights.main([str(src), str(dst)]) == 2
    assert "expected 0badc0de... (its name)" in capsys.readouterr().err
    assert convert_weights.main(["--sha256", _sha256(src), str(src), str(dst)]) == 0


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_truncated_downloads_are_caught(suffix, foreign_file, convert_weights, tmp_path, capsys):
    whole = foreign_file("HRNet pose")
    if suffix == ".safetensors":
        whole = tmp_path / "whole.safetensors"
        convert_weights.convert(foreign_file("HRNet pose"), whole, "auto", None)
    cut = tmp_path / f"cut{suffix}"
    for part in (0.01, 0.5, 0.9):
        cut.write_bytes(whole.read_bytes()[: int(part * whole.stat().st_size)])
        assert convert_weights.main(["--inspect", str(cut)]) == 2
        assert "is truncated" in capsys.readouterr().err


def test_targets_are_checked(foreign_file, convert_weights, tmp_path, capsys):
    src = foreign_file("HRNet pose")
    assert convert_weights.main([str(src), str(tmp_path / "own.pth")]) == 2
    assert "expected a name that ends in .safetensors" in capsys.readouterr().err
    own = tmp_path / "own.safetensors"
    convert_weights.convert(src, own, "auto", None)
    assert convert_weights.main([str(own), str(own)]) == 2
    assert "SRC and DST are the same file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [[], ["only_src.pth"], ["--inspect", "a.pth", "b.pth", "c.safetensors"]]
)
def test_arguments_are_checked(arguments, convert_weights):
    with pytest.raises(SystemExit):
        convert_weights.main(arguments)
