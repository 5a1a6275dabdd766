"""Training from the heatmaps that a frozen backbone once gave."""

from types import SimpleNamespace

import pytest
import torch

from dcpose import load_config
from dcpose.config.messages import ConfigError
from dcpose.engine.encodings import FrozenEncoder
from dcpose.jobs.train import train

CPU = torch.device("cpu")
NOTHING = SimpleNamespace(headline="AP", total=0.0, details={})
"""What a validation that is left out measures."""
RECIPE = ["train.epochs=2", "train.batch_size=8", "data.draws=1", "optim.milestones=[9]"]
# weights that hardly move, so that gradients of all steps compare; SGD keeps them as momentum
RECIPE += ["optim.name=sgd", "optim.lr=1.0e-9"]


@pytest.fixture
def trained(tiny_cfg, tiny_weights, few_people, run_here, monkeypatch):
    """Function (name, overrides) -> images that met the backbone, and gradients of all steps."""
    images = []
    encode = FrozenEncoder.images

    def count(self, x):
        images.append(len(x))
        return encode(self, x)

    monkeypatch.setattr(FrozenEncoder, "images", count)
    monkeypatch.setattr(
        "dcpose.jobs.train.measure", lambda *_: (NOTHING, 0)
    )  # validation passes do not count
    monkeypatch.setattr("dcpose.jobs.train.is_main", lambda: False)

    def run(name, *overrides):
        frozen = ["model.backbone.frozen=true", f"model.backbone.weights={tiny_weights}"]
        cfg = load_config(tiny_cfg, [*frozen, *RECIPE, *few_people, *overrides])
        images.clear()
        folder = train(cfg, CPU, run_here / name)
        state = torch.load(folder / "checkpoints" / "last.pt", weights_only=True)
        slots = state["optimizer"]["state"]["state"].values()
        return sum(images), torch.cat([slot["momentum_buffer"].flatten() for slot in slots])

    return run


@pytest.mark.slow
def test_backbone_runs_once_and_never_again(trained, run_here):
    cache = f"train.cache_encodings={run_here / 'heatmaps'}"
    with pytest.MonkeyPatch.context() as patch:
        exact = FrozenEncoder.images
        patch.setattr(FrozenEncoder, "images", lambda *args: exact(*args).half().float())
        images, expected = trained("plain")  # but for the rounding that the disk does
    assert images == 2 * 3 * 16  # epochs, frames of a clip, clips
    images, gradients = trained("first", cache)
    assert images == 3 * 16
    torch.testing.assert_close(gradients, expected, rtol=1e-3, atol=1e-5)
    images, again = trained("again", cache)
    assert images == 0
    assert torch.equal(again, gradients)
    images, _ = trained("other_head", cache, "model.neighbors=[prev]", "model.pcn.dilations=[1,2]")
    assert images == 0
    with pytest.raises(ValueError, match=r"data\.max_gap: 1 there, 2 here"):
        trained("stale", cache, "data.max_gap=2")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model.backbone.frozen=false", "data.draws=1"], "never changes"),
        (["model.backbone.frozen_bn=false", "data.draws=1"], "never changes"),
        (
            [
                "model.name=posewarper",
                "data.max_gap=1",
                "data.augment={flip_prob: 0, rotation_prob: 0, scale: 0, half_body_prob: 0}",
            ],
            "come again",
        ),
        ([], "set data.draws=K"),
    ],
)
def test_what_cannot_be_kept_is_refused(overrides, message, tiny_cfg):
    keys = ["model.backbone.frozen=true", "train.cache_encodings=here", *overrides]
    with pytest.raises(ConfigError, match=message):
        load_config(tiny_cfg, keys)


def test_without_augmentation_clips_come_again_by_themselves(tiny_cfg):
    off = "data.augment={flip_prob: 0.0, rotation_prob: 0.0, scale: 0.0, half_body_prob: 0.0}"
    keys = ["model.backbone.frozen=true", "train.cache_encodings=here", off]
    assert load_config(tiny_cfg, keys).data.draws is None
    with pytest.raises(ConfigError, match=r"data\.max_gap=1"):
        load_config(tiny_cfg, [*keys, "data.max_gap=2"])
