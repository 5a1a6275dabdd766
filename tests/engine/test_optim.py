import pytest
import torch
from torch import nn

from dcpose.engine.optim import (
    make_optimizer,
    make_scheduler,
    parameter_groups,
    warmup_factor,
)
from dcpose.models.backbones.vit import ViT


@pytest.mark.parametrize(
    ("name", "kind"),
    [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)],
)
def test_each_name_gives_its_optimizer_over_trainable_parameters(name, kind):
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[0].requires_grad_(False)
    optimizer = make_optimizer(model.parameters(), name, lr=0.01, weight_decay=0.5)
    (group,) = optimizer.param_groups
    assert type(optimizer) is kind
    assert (group["lr"], group["weight_decay"]) == (0.01, 0.5)
    assert [id(p) for p in group["params"]] == [id(p) for p in model[1].parameters()]
    assert not group["fused"]  # on a CPU


def test_nothing_to_train_is_refused():
    with pytest.raises(ValueError, match="nothing to train"):
        make_optimizer(nn.Linear(2, 2).requires_grad_(False).parameters(), "adam", lr=0.1)


def test_unknown_name_is_refused():
    with pytest.raises(ValueError, match="unknown optimizer 'lion', expected adam, adamw or sgd"):
        make_optimizer(nn.Linear(2, 2).parameters(), "lion", lr=0.1)


def test_rate_falls_after_the_papers_milestones():
    optimizer = make_optimizer(nn.Linear(1, 1).parameters(), "sgd", lr=1.0)
    scheduler = make_scheduler(optimizer, [4, 8, 12, 16], gamma=0.1)
    rates = []
    for _ in range(20):
        rates.append(round(optimizer.param_groups[0]["lr"], 9))
        optimizer.step()
        scheduler.step()
    # by hand: four epochs at each of five rates
    assert rates == [rate for rate in (1.0, 0.1, 0.01, 0.001, 0.0001) for _ in range(4)]


def test_no_milestones_keep_the_rate():
    optimizer = make_optimizer(nn.Linear(1, 1).parameters(), "adam", lr=0.5)
    scheduler = make_scheduler(optimizer, [], gamma=0.1)
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] == 0.5


def test_rates_fall_with_depth_and_vectors_are_spared():
    # the recipe of ViTPose: block i of n has decay^(n - i), patches and positions decay^(n + 1)
    vit = ViT(16, 2, 2, 3, decoder_channels=8, image_wh=(32, 64))
    vit.last_norm.requires_grad_(False)
    groups = parameter_groups(vit, 1.0, 0.1, vit.layers(), layer_decay=0.5, decayed="matrices")
    found = {id(p): (g["lr"], g["weight_decay"]) for g in groups for p in g["params"]}
    expected = {
        "positions": (0.125, 0.0),
        "patch_embed.weight": (0.125, 0.1),
        "patch_embed.bias": (0.125, 0.0),
        "blocks.0.attn.qkv.weight": (0.25, 0.1),
        "blocks.0.norm1.weight": (0.25, 0.0),
        "blocks.1.mlp.fc2.bias": (0.5, 0.0),
        "blocks.1.mlp.fc2.weight": (0.5, 0.1),
        "deconv_layers.0.weight": (1.0, 0.1),
        "deconv_layers.1.weight": (1.0, 0.0),
        "final_layer.bias": (1.0, 0.0),
    }
    by_name = dict(vit.named_parameters())
    assert {name: found[id(by_name[name])] for name in expected} == expected
    assert len(found) == len(by_name) - 2  # frozen ones are left out
    optimizer = make_optimizer(groups, "adamw", lr=1.0)
    assert optimizer.param_groups[0]["lr"] == 1.0


def test_by_default_there_is_one_group():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    (group,) = parameter_groups(model, 0.1, 0.5)
    assert (len(group["params"]), group["lr"], group["weight_decay"]) == (4, 0.1, 0.5)


def test_warm_up_rises_from_a_thousandth():
    assert [warmup_factor(step, 4) for step in range(1, 7)] == pytest.approx(
        [0.001, 0.25075, 0.5005, 0.75025, 1.0, 1.0]
    )
    assert warmup_factor(1, 0) == 1.0
