"""dcpose.config: files, parents, overrides and the words of every refusal."""

import contextlib
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dcpose.config.layers import read_overrides
from dcpose.config.loading import config_from_dict, config_to_dict, load_config
from dcpose.config.messages import ConfigError
from dcpose.files.yaml_text import parse_yaml

REPOSITORY = Path(__file__).resolve().parents[2]
MINIMAL = "experiment: tiny\ndata: {root: data}\n"


@pytest.fixture
def config_file(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(MINIMAL)
    return path


def test_defaults_are_the_released_architecture(config_file):
    cfg = load_config(config_file)
    assert cfg.data.crop_wh == (288, 384)
    assert cfg.model.backbone.width == 48
    assert cfg.model.pcn.dilations == (3, 6, 9, 12, 15)
    assert (cfg.model.prf.blocks, cfg.model.prf.channels) == (2, 34)
    assert (cfg.model.ptm.blocks, cfg.model.ptm.channels) == (1, 17)
    assert (cfg.model.fusion.blocks, cfg.model.fusion.channels) == (2, 64)


def test_nearest_file_wins_and_command_line_comes_last(tmp_path):
    (tmp_path / "grandparent.yaml").write_text(
        "experiment: a\ndata: {root: x, sigma: 1.0}\nseed: 1\ntrain: {epochs: 1, batch_size: 2}\n"
    )
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "parent.yaml").write_text(
        "base: ../grandparent.yaml\ntrain: {epochs: 5}\nseed: 2\n"
    )
    child = tmp_path / "child.yaml"
    child.write_text("base: sub/parent.yaml\nexperiment: c\n")
    cfg = load_config(child, ["seed=3"])
    assert (cfg.experiment, cfg.seed, cfg.data.sigma) == ("c", 3, 1.0)
    assert (cfg.train.epochs, cfg.train.batch_size) == (5, 2)


def test_both_override_dialects_mix(config_file):
    cfg = load_config(
        config_file,
        ["train.epochs", "3", "optim.lr=1e-3", "data.crop_wh", "[96, 128]", "train.ema_decay=null"],
    )
    assert (cfg.train.epochs, cfg.optim.lr, cfg.data.crop_wh) == (3, 1e-3, (96, 128))
    assert cfg.train.ema_decay is None


def test_override_value_may_hold_an_equals_sign(config_file):
    assert load_config(config_file, ["data.root=a=b"]).data.root == "a=b"
    assert load_config(config_file, ["data.root", "a=b"]).data.root == "a=b"


def test_dump_reads_back_equal(config_file, tmp_path):
    cfg = load_config(config_file, ["optim.lr=3e-5", "model.pcn.dilations=[3,6]"])
    dumped = tmp_path / "dumped.yaml"
    dumped.write_text(yaml.safe_dump(config_to_dict(cfg)))
    assert load_config(dumped) == cfg
    assert config_from_dict(config_to_dict(cfg), origin="checkpoint") == cfg


def test_another_backbone_drops_the_keys_of_the_former(tmp_path):
    parent, child = tmp_path / "parent.yaml", tmp_path / "child.yaml"
    parent.write_text(MINIMAL + "model: {backbone: {width: 24, frozen: false, weights: a.pth}}\n")
    child.write_text("base: parent.yaml\nmodel: {backbone: {name: simple_baseline, depth: 18}}\n")
    backbone = load_config(child).model.backbone
    assert (backbone.name, backbone.depth) == ("simple_baseline", 18)
    assert (backbone.frozen, backbone.weights) == (False, "a.pth")
    assert load_config(parent, ["model.backbone.name=hrnet"]).model.backbone.width == 24
    back = load_config(child, ["model.backbone.name=hrnet"]).model.backbone
    assert (back.width, back.weights) == (48, "a.pth")
    assert load_config(child, ["model.backbone.depth=34"]).model.backbone.depth == 34


def test_config_is_immutable(config_file):
    with pytest.raises(ValueError, match="frozen"):
        load_config(config_file).seed = 3


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("data.augment.flip_prob", (1.5, -0.1, ".nan")),
        ("data.augment.rotation_prob", (1.5, -0.1)),
        ("data.augment.half_body_prob", (1.5, ".nan")),
        ("data.augment.scale", (1.0, -0.1)),
        ("data.augment.rotation_deg", (-1,)),
        ("data.augment.half_body_min_joints", (1,)),
        *(
            (f"data.augment.{name}", (1.1, -0.1))
            for name in ("color", "blur", "low_resolution", "noise", "cutout", "jpeg", "texture")
        ),
        ("train.epochs", (0,)),
        ("train.accumulate", (0,)),
        ("train.validate_every", (-1,)),
        ("train.log_every", (0,)),
        ("train.save_every", (-1,)),
        ("train.nonfinite_limit", (-1,)),
        ("train.clip_grad_norm", (0.0,)),
        ("train.ema_decay", (0.0, 1.0)),
        ("optim.milestones", ("[4, 2]", "[2, 2]", "[0, 3]")),
    ],
)
def test_ranges(config_file, key, values):
    for value in values:
        with pytest.raises(ConfigError, match=rf"command line: {key}.*: found .*expected"):
            load_config(config_file, [f"{key}={value}"])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.epoch=3", "train.epoch: unknown key; the nearest valid keys are train.epochs"),
        ("lr=3", "lr: unknown key; the nearest valid keys are optim.lr"),
        ("foo.bar=1", "foo: unknown key; valid keys here are data, experiment, model"),
        ("optim.lr=fast", "command line: optim.lr: found 'fast', expected a number"),
        ("optim.lr=0", "optim.lr: found 0, expected a number greater than 0"),
        ("train.epochs=2.5", "train.epochs: found 2.5, expected an integer"),
        ("train.epochs=true", "train.epochs: found True, expected an integer"),
        ("test.flip=1", "test.flip: found 1, expected true or false"),
        ("data.root=3", "data.root: found 3, expected text"),
        ("data.sigma=.nan", "data.sigma: found nan, expected a finite number"),
        ("data=3", "data: found 3, expected a section of keys"),
        ("data.crop_wh=5", "data.crop_wh: found 5, expected a list"),
        ("data.crop_wh=[32]", "data.crop_wh: found [32], expected a list with an element [1]"),
        ("data.crop_wh=[100, 90]", "multiples of 32"),
        ("data.crop_wh=[100, 90]", "the nearest size is [96, 96]"),
        ("model.name=dcpos", "model.name: found 'dcpos', expected 'dcpose', 'single_frame', "),
        ("model.pcn.dilations=[3, x]", "model.pcn.dilations[1]: found 'x', expected an integer"),
        ("model.pcn.dilations=[]", "expected at least one dilation"),
        (
            "model={name: posewarper, warper: {dilations: []}}",
            "model.warper.dilations: found []: expected at least one dil",
        ),
        ("model.pcn.dilations=[3, 3]", "expected at least one dilation, each once"),
        ("optim.milestones=[4, 2]", "expected rising epochs"),
        ("model.name=single_frame", "set model.backbone.frozen=false"),
        ("experiment=a/b", "experiment: found 'a/b'"),
        ("model.backbone=5", "model.backbone: found 5, expected a section of keys"),
        (
            "model.backbone.width=x",
            "command line: model.backbone.width: found 'x', expected an int",
        ),
        (
            "model.backbone.widht=3",
            "model.backbone.widht: unknown key; the nearest valid keys are mo",
        ),
        (
            "model.backbone.name=resnet",
            "model.backbone.name: found 'resnet', expected 'hrnet', 'simple_baseline', ",
        ),
        ("model.backbone.name=[x]", "model.backbone.name: found ['x'], expected 'hrnet', "),
        (
            "model.backbone={name: simple_baseline, depth: 51}",
            "model.backbone.depth: found 51, expected 18, 34, 50, 101 or 152",
        ),
        (
            "model.backbone={name: simple_baseline, width: 3}",
            "model.backbone.width: unknown key",
        ),
        (
            "test={precision: mixed, fast: false}",
            "bf16_branches needs test.fast=true and an HRNet backbone, found test.fast=false",
        ),
    ],
)
def test_refusals_name_key_value_and_way_out(config_file, override, message):
    with pytest.raises(ConfigError) as caught:
        load_config(config_file, [override])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_refusal_names_the_file_that_set_the_key(tmp_path):
    (tmp_path / "parent.yaml").write_text(MINIMAL + "optim: {lr: fast}\n")
    child = tmp_path / "child.yaml"
    child.write_text("base: parent.yaml\nseed: x\n")
    with pytest.raises(ConfigError) as caught:
        load_config(child)
    lines = str(caught.value).splitlines()
    assert f"{child}: seed: found 'x', expected an integer" in lines
    assert f"{tmp_path / 'parent.yaml'}: optim.lr: found 'fast', expected a number" in lines


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("experiment: [", "bad YAML"),
        ("- 1\n- 2\n", "found list, expected `key: value` lines"),
        (MINIMAL + "seed: 1\nseed: 2\n", "bad YAML: line 4: key 'seed' stands twice"),
        (MINIMAL + "base: [a, b]\n", "expected the path of one YAML file"),
        (MINIMAL + "base: absent.yaml\n", "no such config file (named by base: in"),
        (MINIMAL + "base: tiny.yaml\n", "goes in a circle"),
        ("data: {root: x}\n", "experiment: missing"),
        ("", "experiment: missing"),
        ("x: !!python/object/apply:os.system ['true']\n", "bad YAML"),
    ],
)
def test_bad_files_are_refused_by_name(config_file, text, message):
    config_file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(config_file)
    assert message in str(caught.value)
    assert str(config_file) in str(caught.value)


def test_missing_file_and_binary_file(tmp_path):
    with pytest.raises(ConfigError, match="no such config file"):
        load_config(tmp_path / "absent.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(ConfigError, match="cannot be read as UTF-8"):
        load_config(tmp_path / "binary.yaml")


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (["train.epochs"], "has no value; write train.epochs=VALUE"),
        (["--epochs=3"], "is no key"),
        (["seed=1", "seed.x=2"], "seed.x is set inside seed"),
        (["seed=["], "bad YAML"),
    ],
)
def test_bad_overrides(tokens, message):
    with pytest.raises(ConfigError) as caught:
        read_overrides(tokens)
    assert message in str(caught.value)


def test_unicode_bom_and_crlf_are_read(config_file):
    config_file.write_bytes(b"\xef\xbb\xbf" + MINIMAL.replace("\n", "\r\n").encode())
    assert load_config(config_file).experiment == "tiny"


@given(st.text(max_size=60))
def test_any_text_gives_a_config_or_our_error(text):
    with contextlib.suppress(ConfigError):
        assert list(read_overrides([f"seed={text}"]).values) == ["seed"]


@pytest.mark.parametrize(
    "path", sorted((REPOSITORY / "configs").rglob("*.yaml")), ids=lambda path: path.stem
)
def test_shipped_configs_load_and_say_only_what_differs(path):
    values = yaml.safe_load(path.read_text())
    if "experiment" not in values:  # a block that others build on
        return
    cfg = config_to_dict(load_config(path))
    base = values.pop("base", None)
    if base is None:
        return
    parent = config_to_dict(load_config(path.parent / base, ["experiment=x", "data.root=x"]))
    assert not list(_repeated(values, parent, cfg)), "keys that repeat the parent's value"


def _repeated(values, parent, cfg, prefix=""):
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _repeated(value, parent.get(key, {}), cfg[key], f"{prefix}{key}.")
        elif key in parent and parent[key] == cfg[key]:
            yield f"{prefix}{key}"


def test_mixed_is_an_old_name(config_file):
    cfg = load_config(config_file, ["test.precision=mixed"])
    assert cfg.test.precision == "bf16_branches"


def test_bf16_branches_need_an_hrnet(config_file):
    overrides = ["test.precision=bf16_branches", "model.backbone={name: simple_baseline}"]
    with pytest.raises(ConfigError, match=r"found test\.fast=true and .*name=simple_baseline"):
        load_config(config_file, overrides)


@pytest.mark.parametrize(
    "name", ["10:20:30", "2026-11-28T10:20", "1:30", "19:20.5", "'2026-11-28'"]
)
def test_folders_named_by_times_are_text(config_file, name):
    expected = name.strip("'")
    assert load_config(config_file, [f"data.root={name}"]).data.root == expected
    assert load_config(config_file, ["data.root", name]).data.root == expected


def test_a_day_needs_quotes(config_file):
    with pytest.raises(ConfigError, match=r"data\.root: found .*, expected text; put .* quotes"):
        load_config(config_file, ["data.root=2026-11-28"])


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-4", 1e-4), ("1.5e+3", 1500.0), ("-3", -3), (".5", 0.5), ("0x1F", 31), ("1_000", 1000),
     ("3.", 3.0), ("010", 8), ("0", 0), ("-.inf", float("-inf")), ("12ab", "12ab"),
     ("1.2.3", "1.2.3"), ("+7", 7), ("2e", "2e")],
)  # fmt: skip
def test_numbers_of_yaml(text, value):
    found = parse_yaml(text)
    assert (found, type(found)) == (value, type(value))


def test_home_folder(config_file, monkeypatch):
    monkeypatch.setenv("HOME", "/home/anna")
    cfg = load_config(config_file, ["data.root=~/set", "data.val_detections=~/boxes.json"])
    assert (cfg.data.root, cfg.data.val_detections) == ("/home/anna/set", "/home/anna/boxes.json")
