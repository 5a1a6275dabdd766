import pytest
import torch
from torch import nn

from dcpose.engine.optim import make_optimizer, make_scheduler


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


@pytest.mark.parametrize("milestones", [[4, 2], [2, 2], [0, 3]])
def test_milestones_must_rise(milestones):
    optimizer = make_optimizer(nn.Linear(1, 1).parameters(), "adam", lr=0.5)
    with pytest.raises(ValueError, match="rising epochs"):
        make_scheduler(optimizer, milestones, gamma=0.1)
