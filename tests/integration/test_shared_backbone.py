"""Heads on one backbone pass: the same weights as alone, resuming, refusals."""

from types import SimpleNamespace

import pytest
import torch

from dcpose import load_config
from dcpose.build.training import build_train_loader
from dcpose.engine.encodings import FrozenEncoder, distinct_crops
from dcpose.jobs.together import shared_part, train_together
from dcpose.jobs.train import train

CPU = torch.device("cpu")
NOTHING = SimpleNamespace(headline="AP", total=0.0, details={})
"""What a validation that is left out measures."""
ROWS = {
    "complete": [],
    "no_ptm": ["model.ptm={replaced_by: sum_conv, blocks: null, channels: null}"],
    "no_next": ["model.neighbors=[prev]"],
    "no_prev": ["model.neighbors=[next]", "optim.name=sgd", "model.pcn.dilations=[1,2]"],
    "interval_3": ["data.max_gap=3"],
}


@pytest.fixture
def configs(tiny_cfg, tiny_weights, few_people):
    """Function (overrides) -> config of each row, with a frozen backbone that has weights."""
    frozen = ["model.backbone.frozen=true", f"model.backbone.weights={tiny_weights}"]
    recipe = ["train.epochs=1", "train.batch_size=4", "train.accumulate=2", "train.precision=fp32"]
    recipe += few_people

    def load(*overrides):
        return {
            name: load_config(tiny_cfg, [*frozen, *recipe, *row, *overrides])
            for name, row in ROWS.items()
        }

    return load


def saved(run_dir):
    return torch.load(run_dir / "checkpoints" / "last.pt", weights_only=True)


def tensors(content, prefix=""):
    """Dotted names and tensors of nested dicts."""
    if isinstance(content, torch.Tensor):
        return {prefix: content}
    if not isinstance(content, dict):
        return {}
    return {k: t for key in content for k, t in tensors(content[key], f"{prefix}.{key}").items()}


def assert_same_training(alone, together):
    assert alone["epoch"] == together["epoch"]
    assert alone["step"] == together["step"]
    assert alone["best_ap"] == together["best_ap"]
    for part in ("model", "optimizer", "ema"):
        ours, theirs = tensors(alone[part]), tensors(together[part])
        assert ours.keys() == theirs.keys()
        assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []


@pytest.mark.slow
@pytest.mark.same_bits
def test_bits_are_those_of_training_alone(configs, run_here):
    cfgs = configs("train.ema_decay=0.5", "train.clip_grad_norm=0.01")
    runs = [(cfg, run_here / "together" / name) for name, cfg in cfgs.items()]
    passed = []
    encode = FrozenEncoder.images

    def count(self, images):
        passed.extend(images)
        return encode(self, images)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FrozenEncoder, "images", count)
        patch.setattr("dcpose.jobs.train.measure", lambda *_: (NOTHING, 0))
        patch.setattr("dcpose.jobs.train.is_main", lambda: False)
        train_together(runs, CPU, run_here / "together.log")
    # 16 clips: prev, cur, next; then neighbours farther away, where they are others
    loaders = [build_train_loader(cfgs[name]) for name in ("complete", "interval_3")]
    crops = [torch.cat([batch.frames.flatten(0, 1) for batch in loader]) for loader in loaders]
    others = sum(not torch.equal(near, far) for near, far in zip(*crops, strict=True))
    assert 0 < others < 32
    assert len(passed) == 48 + others
    for name, cfg in cfgs.items():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("dcpose.jobs.train.measure", lambda *_: (NOTHING, 0))
            alone = train(cfg, CPU, run_here / "alone" / name)
        assert_same_training(saved(alone), saved(run_here / "together" / name))
    log = (run_here / "together" / "no_next" / "log.jsonl").read_text()
    assert log.count('"kind": "epoch"') == 1


@pytest.mark.slow
def test_a_trainer_that_is_behind_catches_up(configs, run_here, monkeypatch):
    monkeypatch.setattr("dcpose.jobs.train.measure", lambda *_: (NOTHING, 0))
    few = "train.batch_size=8"
    cfgs = configs("train.epochs=2", few)
    names = ["complete", "no_ptm"]
    first = [(cfgs[name], run_here / name) for name in names]
    train_together(first, CPU, run_here / "log")
    finished = {name: saved(run_here / name) for name in names}
    # as if the process had been killed between two checkpoints of epoch 1
    one_epoch = configs(few)
    for name in names:
        (run_here / name / "checkpoints" / "last.pt").unlink()
    train(one_epoch["no_ptm"], CPU, run_here / "no_ptm", resume=True)
    train_together(first, CPU, run_here / "log")
    for name in names:
        assert_same_training(finished[name], saved(run_here / name))


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["model.backbone.frozen_bn=false"], "a backbone that changes in training"),
        (["train.epochs=3"], "train.epochs differs"),
        (["seed=5", "model.backbone.weights=other.pth"], "the backbones differ"),
    ],
)
def test_what_cannot_share_is_refused(configs, run_here, tiny_weights, overrides, line):
    state = torch.load(tiny_weights, weights_only=True)
    torch.save({name: tensor + 1 for name, tensor in state.items()}, "other.pth")
    pair = [configs()["complete"], configs(*overrides)["no_ptm"]]
    runs = [(cfg, run_here / str(number)) for number, cfg in enumerate(pair)]
    with pytest.raises(ValueError, match=line):
        train_together(runs, CPU, run_here / "log")


def test_which_configs_share(configs):
    cfgs = configs()
    common = shared_part(cfgs["complete"])
    assert all(shared_part(cfg) == common for cfg in cfgs.values())
    assert shared_part(configs("data.max_gap=2")["complete"]) == common
    for override in ("seed=1", "data.crop_wh=[64,64]", "train.epochs=9", "model.backbone.width=8"):
        assert shared_part(configs(override)["complete"]) != common
    for override in ("model.backbone.frozen=false", "model.backbone.frozen_bn=false"):
        assert shared_part(configs(override)["complete"]) is None


def test_distinct_crops():
    def clips(*grey):
        rows = torch.tensor(grey, dtype=torch.uint8)
        return rows[..., None, None, None].expand(*rows.shape, 2, 2, 3)

    near = clips([1, 2, 3], [4, 5, 6])
    far = clips([1, 2, 7], [8, 5, 4])  # 4 of another place is not looked for
    crops, places = distinct_crops([near, far], [[True, True, True], [True, False, True]])
    assert crops[:, 0, 0, 0].tolist() == [1, 2, 3, 7, 4, 8, 5, 6, 4]
    assert places[0].tolist() == [[0, 1, 2], [4, 6, 7]]
    assert places[1].tolist() == [[0, 0, 3], [5, 0, 8]]
