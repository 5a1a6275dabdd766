"""What a training has reached."""

import math

import pytest
import torch
from engine_fakes import TinyModel

from dcpose.engine import optim
from dcpose.engine.state import TrainingState


def make_state(**options):
    model = TinyModel()
    optimizer = optim.make_optimizer(model.parameters(), "sgd", 0.1)
    return TrainingState(model, optimizer, optim.make_scheduler(optimizer, (1,), 0.1), **options)


def test_best_average_precision():
    state = make_state()
    found = [state.is_best(ap) for ap in (None, math.nan, math.nan, 0.0, 50.0, 50.0, 40.0)]
    assert found == [False, True, False, True, True, False, False]
    assert state.best_ap == 50.0


@pytest.mark.parametrize("allowed", [True, False])
def test_a_step_that_is_not_allowed_moves_nothing(allowed):
    state, norms = make_state(ema_decay=0.5), []
    before = state.model.stem.weight.clone()
    state.backward(state.model(torch.rand(2, 3, 3, 48, 32), torch.ones(2, 2)).square().mean())
    state.move_weights(None, lambda norm: (norms.append(norm), allowed)[1])
    assert norms[0] > 0
    assert torch.equal(state.model.stem.weight, before) != allowed
    assert state.average.n_averaged == allowed
    assert state.model.stem.weight.grad is None


def test_everything_comes_back():
    state = make_state(ema_decay=0.5)
    state.backward(state.model(torch.rand(2, 3, 3, 48, 32), torch.ones(2, 2)).square().mean())
    state.move_weights(1.0, lambda norm: True)
    state.step, state.best_ap = 1, 3.0
    state.finish_epoch()
    other = make_state(ema_decay=0.5)
    other.load_state_dict(state.state_dict(), "memory")
    assert (other.epoch, other.step, other.best_ap, other.lr) == (1, 1, 3.0, state.lr)
    for ours, theirs in ((state.model, other.model), (state.model_to_use, other.model_to_use)):
        pairs = zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True)
        assert all(torch.equal(one, two) for one, two in pairs)
