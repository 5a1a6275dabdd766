"""Every row of BACKBONES x METHODS and of DATASETS works at a tiny size, named at the top."""

import itertools
import json
import shutil

import numpy as np
import pytest
import torch
from fixtures.coco_files import write_coco
from PIL import Image
from scipy.io import savemat

from dcpose import build_model, load_config
from dcpose.build.datasets import DATASETS
from dcpose.build.tables import BACKBONES, METHODS
from dcpose.config.data import DataSection
from dcpose.config.loading import config_from_dict, config_to_dict
from dcpose.config.models import BackboneSection, ModelSection
from dcpose.formats.posetrack.convert import to_posetrack17
from dcpose.jobs.test import make_submission
from dcpose.jobs.train import train
from dcpose.jobs.validate import validate

CPU = torch.device("cpu")
SIDE = 32
"""Of the crops, in pixels."""

TINY_BACKBONES = {
    "hrnet": {"width": 4, "modules": [1, 1, 1], "blocks": 1, "stem_channels": 4},
    "simple_baseline": {"depth": 18, "deconv_channels": 4},
    "vit": {"width": 8, "depth": 1, "heads": 2, "decoder_channels": 4, "image_wh": [SIDE, SIDE]},
    "efficientnet_lite": {"neck": {"channels": 4}},
    "timm": {"model": "test_resnet", "neck": {"channels": 4}},
}

BIG = {"simple_baseline", "efficientnet_lite"}
"""Backbones that have no tiny size: all but the single frame on them is slow."""

TINY_METHODS = {
    "dcpose": {
        "prf": {"blocks": 1, "channels": 17},
        "fusion": {"blocks": 1, "channels": 8},
        "pcn": {"dilations": [1]},
    },
    "single_frame": {},
    "posewarper": {"warper": {"blocks": 1, "channels": 4, "dilations": [1]}},
    "tar": {"jta": {"layers": 1, "heads": 2}},
    "fami": {"channels": 4, "offset_groups": 2},
}


def posetrack18(sample_dir, root):
    """Take the sample: a video to train on and one to validate on, with a few people each."""
    for split, name in (("train", "000001_mpii_train"), ("val", "010001_mpii_test")):
        content = json.loads((sample_dir / f"annotations/{split}/{name}.json").read_text())
        content["annotations"] = content["annotations"][:4]
        path = root / "annotations" / split / f"{name}.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(content))
        frames = f"images/{split}/{name}"
        shutil.copytree(sample_dir / frames, root / frames)
    return []


def posetrack21(sample_dir, root):
    return posetrack18(sample_dir, root)


def posetrack17(sample_dir, root):
    """Write the same people in the form of 2017, on frames with eight digits from 1."""
    posetrack18(sample_dir, root)
    for path in root.glob("annotations/*/*.json"):
        content = json.loads(path.read_text())
        for number, image in enumerate(content["images"], start=1):
            before = root / image["file_name"]
            video = before.parent.name.rpartition("_")[0]
            image["file_name"] = f"images/mpii/{video}/{number:08d}.jpg"
            (root / image["file_name"]).parent.mkdir(parents=True, exist_ok=True)
            before.rename(root / image["file_name"])
        path.write_text(json.dumps(to_posetrack17(content, path, "annotations")[0]))
    return []


def coco(sample_dir, root):
    pytest.importorskip("pycocotools")
    keys = []
    for split in ("train", "val"):
        write_coco(sample_dir, root, split)
        path = root / f"annotations/person_keypoints_{split}2017.json"
        content = json.loads(path.read_text())
        path.write_text(json.dumps({**content, "annotations": content["annotations"][:4]}))
        keys.append(f"data.{split}_annotations=annotations/person_keypoints_{split}2017.json")
        keys.append(f"data.{split}_images=images/{split}2017")
    return keys


def penn_action(sample_dir, root):
    """Write a video of four frames to train on, and one to test on."""
    (root / "labels").mkdir()
    for name, use in (("0001", 1), ("0002", -1)):
        frames = root / "frames" / name
        frames.mkdir(parents=True)
        for number in (1, 2, 3, 4):
            Image.new("RGB", (64, 48), (60 * number,) * 3).save(frames / f"{number:06d}.jpg")
        across = np.tile(np.linspace(8, 50, 13), (4, 1))
        label = {"nframes": 4, "dimensions": [[48, 64, 3]], "train": use, "action": "jump"}
        label |= {"x": across, "y": across / 2, "visibility": np.ones((4, 13))}
        label |= {"bbox": np.tile([3.0, 2, 58, 44], (4, 1))}
        savemat(root / "labels" / f"{name}.mat", label)
    return []


def jhmdb(sample_dir, root):
    """Write a video of two frames to train on, and one to test on."""
    across = np.tile(np.linspace(8, 50, 15)[:, None], (1, 2))
    for name in ("a", "b"):
        frames, labels = root / "Rename_Images/jump" / name, root / "joint_positions/jump" / name
        frames.mkdir(parents=True)
        labels.mkdir(parents=True)
        for number in (1, 2):
            Image.new("RGB", (64, 48), (80 * number,) * 3).save(frames / f"{number:05d}.png")
        savemat(labels / "joint_positions.mat", {"pos_img": np.stack([across, across / 2])})
    (root / "sub_splits").mkdir()
    (root / "sub_splits/jump_test_split1.txt").write_text("a.avi 1\nb.avi 2\n")
    return []


TINY_DATASETS = {
    "posetrack17": posetrack17,
    "posetrack18": posetrack18,
    "posetrack21": posetrack21,
    "coco": coco,
    "penn_action": penn_action,
    "jhmdb": jhmdb,
}
"""By layout: writes a few people into a folder, and returns config keys that say where."""


def tiny(rows, name):
    """Return a row's tiny size, if the packages that it needs are there."""
    if name == "timm":
        pytest.importorskip("timm", reason="the extra timm is not installed")
    if name not in rows:
        titles = {id(TINY_BACKBONES): "TINY_BACKBONES", id(TINY_METHODS): "TINY_METHODS"}
        where = titles.get(id(rows), "TINY_DATASETS")
        pytest.fail(f"{name} is a new row: add a tiny one to {where} in this file")
    return rows[name]


@pytest.fixture(scope="module")
def data(sample_dir, tmp_path_factory):
    """Function (layout) -> config keys of its tiny data set, written once."""
    written = {}

    def write(layout):
        if layout not in written:
            root = tmp_path_factory.mktemp(layout)
            keys = tiny(TINY_DATASETS, layout)(sample_dir, root)
            written[layout] = [f"data.root={root}", f"data.layout={layout}", *keys]
        return written[layout]

    return write


@pytest.fixture
def config(data, tmp_path):
    """Function (method, backbone, layout, overrides) -> config of one of each."""

    def load(method, backbone, layout="posetrack18", *overrides):
        section = {"name": backbone, "frozen": False, **tiny(TINY_BACKBONES, backbone)}
        model = {"name": method, "backbone": section, **tiny(TINY_METHODS, method)}
        values = {
            "experiment": "tiny",
            "data": {"crop_wh": [SIDE, SIDE], "sigma": 1.0, "workers": 0},
            "model": model,
            "train": {"epochs": 1, "batch_size": 2, "validate_every": 0},
            "optim": {"name": "sgd"},
        }
        path = tmp_path / "tiny.yaml"
        path.write_text(json.dumps(values))  # which YAML is, too
        return load_config(path, [*data(layout), *overrides])

    return load


def test_rows_and_config_classes_go_together():
    assert set(BACKBONES) == set(BackboneSection.members())
    assert set(METHODS) == set(ModelSection.members())
    assert set(DATASETS) == set(DataSection.members())


@pytest.mark.parametrize("backbone", BACKBONES)
def test_a_backbone_keeps_its_word(backbone, config):
    cfg = config("single_frame", backbone)
    network = build_model(cfg).backbone
    side = network.side_multiple
    assert cfg.model.backbone.side_multiple == side
    images = torch.randn(1, 3, 2 * side, 3 * side)
    with torch.inference_mode():
        features = network.features(images)
        heatmaps = network(images)
        assert torch.equal(heatmaps, network.head(features))
    grid = (2 * side // network.feature_stride, 3 * side // network.feature_stride)
    assert features.shape == (1, network.feature_channels, *grid)
    assert heatmaps.shape == (1, 17, 2 * side // network.stride, 3 * side // network.stride)
    with pytest.raises(ValueError, match=f"multiples of {side}"):
        network.features(torch.randn(1, 3, 2 * side, 3 * side - 1))


PAIRS = list(itertools.product(METHODS, BACKBONES))


@pytest.mark.parametrize(("method", "backbone"), PAIRS)
def test_to_encode_and_to_decode_is_all_there_is(method, backbone, config, formula_weights):
    cfg = config(method, backbone)
    assert config_from_dict(config_to_dict(cfg), "dump") == cfg
    model = build_model(cfg)
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    model.load_state_dict(formula_weights(shapes, 0))
    wanted = model.clip.test
    num_frames = len(wanted) if isinstance(wanted, tuple) else 3
    frames = torch.randn(2, num_frames, 3, SIDE, SIDE)
    gaps = torch.tensor([[1.0, 2, 1, 1], [3, 1, 1, 2]])[:, : num_frames - 1]
    with torch.inference_mode():
        encoded = model.encode(frames)
        heatmaps = model(frames, gaps)
        assert torch.equal(heatmaps, model.decode(encoded, gaps))
        assert torch.equal(heatmaps, list(model.stages(encoded, gaps).values())[-1])
    assert heatmaps.shape == (2, 17, SIDE // model.stride, SIDE // model.stride)
    assert heatmaps.std() > 0
    assert encoded.shape[:2] == (2, len(range(num_frames)[model.used]) if num_frames > 1 else 1)
    if model.encodes == "features":
        assert encoded.shape[2] == model.backbone.feature_channels
    else:
        assert encoded.shape[2:] == heatmaps.shape[1:]


def last_step(run):
    state = torch.load(run / "checkpoints/last.pt", weights_only=True, mmap=True)
    return {name: value for name, value in state["model"].items() if value.is_floating_point()}


def train_resume_and_validate(load):
    """Train two epochs, the second by resuming; measure what came out, and return its file."""
    run = train(load(), CPU)
    first = last_step(run)
    more = ("train.epochs=2", "train.loggers=[]", "train.validate_every=null")
    train(load(*more), CPU, run, resume=True)
    second = last_step(run)
    assert any(not torch.equal(first[name], second[name]) for name in first)
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in log if line["kind"] == "epoch"] == [1, 2]
    assert all(np.isfinite(line["loss"]) for line in log if "loss" in line)
    weights = str(run / "checkpoints/last.pt")
    result, protocol = validate(load(), CPU, weights)
    assert protocol.num_boxes > 0
    assert 0 <= result.total <= 100
    return weights


@pytest.mark.parametrize(
    ("method", "backbone"),
    [
        pytest.param(
            *pair, marks=[pytest.mark.slow] * (pair[1] in BIG and pair[0] != "single_frame")
        )
        for pair in PAIRS
    ],
)
def test_a_network_trains_resumes_validates_and_submits(method, backbone, config, run_here):
    def load(*keys):
        return config(method, backbone, "posetrack18", *keys)

    weights = train_resume_and_validate(load)
    val_as_test = ["data.test_annotations=annotations/val", "data.test_detections=null"]
    archive = make_submission(load(*val_as_test), CPU, weights, run_here / "out", None)
    content = json.loads((archive.parent / "010001_mpii_test.json").read_text())
    assert len(content["annotations"]) == 4


@pytest.mark.usefixtures("run_here")
@pytest.mark.parametrize("layout", DATASETS)
def test_a_data_set_trains_resumes_and_validates(layout, config):
    skeleton = DATASETS[layout].skeleton
    joints = f"model.num_joints={skeleton.num_joints}"
    train_resume_and_validate(lambda *keys: config("single_frame", "hrnet", layout, joints, *keys))
