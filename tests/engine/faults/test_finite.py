"""Steps with NaN or infinity: ended or skipped, named, and written down to be repeated."""

import json

import pytest
import torch
from engine_fakes import epoch_batches, make_batch, make_trainer
from torch import nn

from dcpose.engine.faults.finite import FiniteGuard, NonFiniteLossError, gradient_norm
from dcpose.engine.run.checkpoint import CheckpointError, load_checkpoint
from dcpose.engine.run.replay import load_step

PEOPLE = make_batch(2, seed=7).people


class Explode(torch.autograd.Function):
    """Identity whose gradient is infinite."""

    @staticmethod
    def forward(context, value):
        return value.clone()

    @staticmethod
    def backward(context, gradient):
        return gradient * float("inf")


def exploding_at(*bad_steps):
    """Give a trainer losses that are finite and gradients that are not, in these steps."""

    def change(trainer):
        backward = trainer.state.backward
        trainer.state.backward = lambda loss: backward(
            Explode.apply(loss) if trainer.state.step in bad_steps else loss
        )
        return trainer

    return change


def weights_of(trainer):
    return {name: value.clone() for name, value in trainer.state.model.named_parameters()}


def equal(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def test_infinite_gradient_ends_training_before_the_weights_move(tmp_path):
    trainer = exploding_at(1)(make_trainer(tmp_path))
    before = weights_of(trainer)
    with pytest.raises(NonFiniteLossError, match=r"gradient norm is (inf|nan) at step 1.*video0 "):
        trainer.fit()
    assert equal(weights_of(trainer), before)
    assert not trainer.run.last.exists()


def test_the_step_is_written_down(tmp_path):
    trainer = exploding_at(5)(make_trainer(tmp_path, accumulate=1))
    with pytest.raises(NonFiniteLossError, match=r"replay_batch\.py .*/step5_process0\.pt repeats"):
        trainer.fit()
    saved = load_step(tmp_path / "nonfinite" / "step5_process0.pt")
    (batch,) = saved.batches
    expected = epoch_batches(1)[1]  # three steps in the first epoch
    assert (saved.epoch, saved.step, saved.config) == (1, 5, {"seed": 0})
    assert torch.equal(batch.frames, expected.frames)
    assert torch.equal(batch.joints, expected.joints)
    assert [p.person_id for p in batch.people] == [p.person_id for p in expected.people]
    assert equal(dict(trainer.state.model.named_parameters()), saved.model)


def test_all_batches_of_a_step_are_written_down(tmp_path):
    trainer = exploding_at(2)(make_trainer(tmp_path, accumulate=2))
    with pytest.raises(NonFiniteLossError):
        trainer.fit()
    saved = load_step(tmp_path / "nonfinite" / "step2_process0.pt")
    (batch,) = saved.batches  # the third of three
    assert torch.equal(batch.frames, epoch_batches(0)[2].frames)


def test_steps_up_to_the_limit_are_skipped_and_counted(tmp_path, caplog, monkeypatch):
    moved = []
    trainer = exploding_at(2, 5)(make_trainer(tmp_path, nonfinite_limit=2, ema_decay=0.5))
    optimizer = trainer.state.optimizer
    optimizer.register_step_pre_hook(lambda *_: moved.append(trainer.state.step))
    trainer.fit()
    assert moved == [1, 3, 4, 6, 7, 8, 9]
    assert load_checkpoint(trainer.run.last)["skipped_steps"] == 2
    assert all(value.isfinite().all() for value in trainer.state.model.state_dict().values())
    epochs = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert all(line["loss"] is not None for line in epochs)


def test_the_count_goes_on_after_a_resume(tmp_path):
    exploding_at(1)(make_trainer(tmp_path, nonfinite_limit=1, epochs=1)).fit()
    trainer = exploding_at(4)(make_trainer(tmp_path, nonfinite_limit=1))
    trainer.resume(trainer.run.last)
    with pytest.raises(NonFiniteLossError, match=r"step 4 \(1 such steps were skipped before\)"):
        trainer.fit()


def test_infinite_losses_can_be_skipped_too(tmp_path):
    def batches(epoch):
        made = epoch_batches(epoch)
        if epoch == 0:
            made[1].joint_weights[0, 0] = float("inf")
        return made

    trainer = make_trainer(tmp_path, train_batches=batches, nonfinite_limit=1, epochs=2)
    trainer.fit()
    assert trainer.guard.count == 1  # loss and gradient of one step count once
    assert all(value.isfinite().all() for value in trainer.state.model.state_dict().values())


@pytest.mark.parametrize("name", ["Adam", "AdamW", "SGD"])
@pytest.mark.parametrize(("limit", "moves"), [(0, [1]), (1, [1, 3])])
def test_a_fused_optimizer_skips_by_itself(name, limit, moves):
    # what a GPU does, whose values the host does not see before the interval's end
    parameter = nn.Parameter(torch.ones(3))
    optimizer = getattr(torch.optim, name)([parameter], lr=0.1, fused=True)
    guard, moved = FiniteGuard(limit), []
    for step, gradient in enumerate([1.0, float("nan"), 1.0, float("inf"), 1.0], start=1):
        before = parameter.detach().clone()
        parameter.grad = torch.full((3,), gradient)
        assert guard.allows(gradient_norm([parameter]), optimizer)
        optimizer.step()
        if not torch.equal(parameter, before):
            moved.append(step)
    assert moved == moves
    assert parameter.isfinite().all()


def test_a_guard_names_and_counts_steps(caplog):
    guard = FiniteGuard(limit=1)
    guard.note(3, "loss is nan", PEOPLE)
    guard.note(3, "gradient norm is nan", PEOPLE)
    assert guard.count == 1
    with pytest.raises(
        NonFiniteLossError, match=r"loss is inf at step 4 .*video7 frame 0"
    ) as caught:
        guard.note(4, "loss is inf", PEOPLE)
    assert caught.value.step == 4


def test_norm_is_that_of_all_gradients_together():
    one, other, frozen = (nn.Parameter(torch.zeros(2)) for _ in range(3))
    one.grad, other.grad = torch.tensor([3.0, 0]), torch.tensor([0, 4.0])
    assert gradient_norm([one, other, frozen]).item() == 5.0  # 3-4-5 triangle


@pytest.mark.parametrize("content", [b"", b"text", None])
def test_other_files_are_no_steps(tmp_path, content):
    path = tmp_path / "x.pt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"x\.pt: not a saved step"):
        load_step(path)
