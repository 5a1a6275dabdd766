import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from engine_fakes import TinyModel, epoch_batches, make_batch, make_trainer
from torch import nn

from dcpose.engine.faults.finite import NonFiniteLossError
from dcpose.engine.meter import EpochMeter
from dcpose.engine.run.checkpoint import CheckpointError
from dcpose.engine.run.progress import LOGGER_NAME
from dcpose.engine.run.randomness import seed_everything
from dcpose.models.interface import Supervised

PROGRAM = Path(__file__).parent / "engine_fakes.py"


class PixelModel(nn.Module):
    """Heatmaps without BatchNorm or dropout, so that a batch can be cut in pieces."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, 3, 4, stride=4)
        nn.init.constant_(self.head.weight, 0.01)
        nn.init.zeros_(self.head.bias)

    def encode(self, frames):
        return frames

    def training_outputs(self, frames, gaps):
        heatmaps = self.head(frames[:, 0])
        return {"one": Supervised(heatmaps), "two": Supervised(2 * heatmaps, 0.5)}


@pytest.fixture
def log_lines(caplog):
    """A function that returns the messages of the package's logger so far."""
    logger = logging.getLogger(LOGGER_NAME)
    logger.addHandler(caplog.handler)
    caplog.set_level(logging.INFO, logger=LOGGER_NAME)
    yield lambda: caplog.text
    logger.removeHandler(caplog.handler)


def assert_same_state(one, other):
    assert one.keys() == other.keys()
    for key in one:
        assert torch.equal(one[key], other[key]), key


def read_log(run_dir):
    return [json.loads(line) for line in (run_dir / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(("ema_decay", "broadcasts"), [(None, 1), (0.5, 2)])
def test_buffers_are_broadcast_once_per_model_and_epoch(
    tmp_path, monkeypatch, ema_decay, broadcasts
):
    synchronised = []
    monkeypatch.setattr("dcpose.engine.state.synchronise_buffers", synchronised.append)
    trainer = make_trainer(tmp_path, epochs=1, ema_decay=ema_decay)
    trainer.fit()
    assert len({id(model) for model in synchronised}) == len(synchronised) == broadcasts
    assert synchronised[0] is trainer.state.model


def test_learning_rate_falls_after_each_milestone(tmp_path):
    trainer = make_trainer(tmp_path, epochs=5, milestones=(2, 4), lr=1e-2)
    trainer.fit()
    rates = [line["lr"] for line in read_log(tmp_path) if line["kind"] == "epoch"]
    # by hand: two epochs at 1e-2, two at 1e-3, then 1e-4
    np.testing.assert_allclose(rates, [1e-2, 1e-2, 1e-3, 1e-3, 1e-4], rtol=1e-12)


@pytest.mark.parametrize("sizes", [(2, 2, 2), (4, 1, 3)])
def test_accumulated_batches_equal_one_big_batch(tmp_path, sizes):
    small = [make_batch(size, seed=i) for i, size in enumerate(sizes)]
    big = replace(
        small[0],
        people=[person for batch in small for person in batch.people],
        **{
            name: torch.cat([getattr(batch, name) for batch in small])
            for name in ("frames", "gaps", "crop_to_image", "joints", "joint_weights")
        },
    )
    heads = []
    for batches, accumulate in ((small, 3), ([big], 1)):
        trainer = make_trainer(
            tmp_path,
            model=PixelModel(),
            train_batches=lambda epoch, batches=batches: batches,
            accumulate=accumulate,
            optimizer="sgd",
            epochs=2,
        )
        trainer.fit()
        assert trainer.state.step == 2
        heads.append(trainer.state.model.head.weight)
    torch.testing.assert_close(heads[0], heads[1])


def test_last_group_of_an_epoch_may_be_short(tmp_path):
    trainer = make_trainer(tmp_path, accumulate=2, epochs=1)
    trainer.fit()
    assert trainer.state.step == 2  # three batches


def test_step_equals_plain_gradient_descent_on_all_outputs(tmp_path):
    batch = make_batch(2, seed=0)
    trainer = make_trainer(
        tmp_path,
        model=PixelModel(),
        train_batches=lambda epoch: [batch],
        epochs=1,
        lr=0.5,
        optimizer="sgd",
    )
    reference = PixelModel()
    targets, _ = trainer.encode_targets(batch)
    outputs = reference.training_outputs(batch.network_input(), batch.gaps)
    losses = [weight * (maps - targets).square().mean() for maps, weight, _ in outputs.values()]
    sum(losses).backward()
    # the first step of momentum SGD with Nesterov is lr * (1 + momentum) * gradient
    expected = reference.head.weight - 0.5 * 1.9 * reference.head.weight.grad
    trainer.fit()
    torch.testing.assert_close(trainer.state.model.head.weight, expected)


def test_gradient_norm_is_clipped(tmp_path):
    moved = []
    for limit in (None, 1e-3):
        trainer = make_trainer(
            tmp_path, model=PixelModel(), epochs=1, lr=1.0, optimizer="sgd", clip_grad_norm=limit,
            train_batches=lambda epoch: [make_batch(2, seed=0)],
        )  # fmt: skip
        start = [p.detach().clone() for p in trainer.state.model.parameters()]
        trainer.fit()
        pairs = zip(trainer.state.model.parameters(), start, strict=True)
        moved.append(torch.cat([(p - s).flatten() for p, s in pairs]).norm().item())
    assert moved[0] > 0.01
    assert moved[1] == pytest.approx(1.9e-3, rel=1e-3)  # lr * (1 + momentum) * limit


def test_frozen_parameters_stay(tmp_path):
    model = TinyModel()
    model.stem.requires_grad_(False)
    before = model.stem.weight.clone()
    make_trainer(tmp_path, model=model).fit()
    assert torch.equal(model.stem.weight, before)


def test_moving_average_is_validated_and_saved(tmp_path):
    validated = []

    def validate(model):
        assert not model.training
        validated.append(model.head.weight.clone())
        return {"AP": 1.0}

    trainer = make_trainer(
        tmp_path, model=PixelModel(), validate=validate, ema_decay=0.75, epochs=1, optimizer="sgd"
    )
    weights = []
    trainer.state.optimizer.register_step_post_hook(
        lambda *_: weights.append(trainer.state.model.head.weight.detach().clone())
    )
    trainer.fit()
    # by hand: the average starts at the first step's weights, then moves a quarter of the way
    average = weights[0]
    for later in weights[1:]:
        average = 0.75 * average + 0.25 * later
    torch.testing.assert_close(validated[0], average)
    checkpoint = torch.load(tmp_path / "checkpoints" / "best.pt", weights_only=True)
    torch.testing.assert_close(checkpoint["model"]["head.weight"], average)
    assert torch.equal(checkpoint["ema"]["trained"]["head.weight"], weights[-1])


@pytest.mark.parametrize("settings", [{}, {"ema_decay": 0.9, "accumulate": 2}])
def test_resumed_run_is_bit_identical(tmp_path, settings):
    seed_everything(5)
    whole = make_trainer(tmp_path / "whole", epochs=4, **settings)
    whole.fit()

    seed_everything(5)
    first = make_trainer(tmp_path / "cut", epochs=4, **settings)
    first.settings = replace(first.settings, epochs=2)
    first.fit()
    seed_everything(99)
    second = make_trainer(tmp_path / "cut", epochs=4, **settings)
    second.resume(tmp_path / "cut" / "checkpoints" / "last.pt")
    second.fit()

    assert second.state.step == whole.state.step
    assert_same_state(second.state.model.state_dict(), whole.state.model.state_dict())
    if whole.state.average is not None:
        assert_same_state(second.state.average.state_dict(), whole.state.average.state_dict())
    assert second.state.scheduler.get_last_lr() == whole.state.scheduler.get_last_lr()


@pytest.mark.slow
def test_killed_run_resumes_bit_identical(tmp_path, start_program):
    def run(folder, *arguments):
        return start_program(PROGRAM, tmp_path / folder, 3, *arguments).wait()

    assert run("whole") == 0
    assert run("cut", "--kill-in-epoch", "2") == -9
    assert not (tmp_path / "cut" / "weights.pt").exists()
    assert run("cut", "--resume") == 0

    weights = [torch.load(tmp_path / folder / "weights.pt") for folder in ("whole", "cut")]
    assert_same_state(*weights)
    logs = [
        [(line["kind"], line["step"], line["loss"]) for line in read_log(tmp_path / folder)]
        for folder in ("whole", "cut")
    ]
    assert logs[0] == logs[1]


def test_finished_run_has_nothing_to_resume(tmp_path, log_lines):
    trainer = make_trainer(tmp_path, epochs=1)
    trainer.fit()
    before = {k: v.clone() for k, v in trainer.state.model.state_dict().items()}
    trainer.resume(tmp_path / "checkpoints" / "last.pt")
    assert trainer.fit() == 50.0
    assert_same_state(trainer.state.model.state_dict(), before)
    assert "nothing left to train" in log_lines()


def test_resume_tells_changed_config(tmp_path, log_lines):
    make_trainer(tmp_path, epochs=1, config={"train": {"epochs": 1}}).fit()
    trainer = make_trainer(tmp_path, epochs=2, config={"train": {"epochs": 2}})
    trainer.resume(tmp_path / "checkpoints" / "last.pt")
    assert "train.epochs: 1 -> 2" in log_lines()


def test_resume_as_another_run_is_refused(tmp_path):
    make_trainer(tmp_path, epochs=1, config={"seed": 0, "optim": {"lr": 1e-2}}).fit()
    trainer = make_trainer(tmp_path, epochs=2, config={"seed": 1, "optim": {"lr": 5e-3}})
    before = {key: value.clone() for key, value in trainer.state.model.state_dict().items()}
    with pytest.raises(CheckpointError, match=r"another optim\.lr: 0\.01 -> 0\.005; seed: 0 -> 1 "):
        trainer.resume(tmp_path / "checkpoints" / "last.pt")
    assert_same_state(trainer.state.model.state_dict(), before)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer": "sgd"}, "optimizer is Adam, expected SGD"),
        ({"ema_decay": 0.9}, "made without a moving average"),
        ({"model": PixelModel()}, "another architecture: 1 misshapen: .*; 7 unexpected"),
    ],
)
def test_resume_with_another_set_up_is_refused(tmp_path, changes, message):
    make_trainer(tmp_path, epochs=1).fit()
    trainer = make_trainer(tmp_path, **changes)
    with pytest.raises(CheckpointError, match=message):
        trainer.resume(tmp_path / "checkpoints" / "last.pt")


def test_best_checkpoint_is_the_first_with_the_highest_ap(tmp_path):
    results = iter([30.0, float("nan"), 60.0, 60.0, 10.0])
    trainer = make_trainer(tmp_path, epochs=5, validate=lambda model: {"AP": next(results)})
    assert trainer.fit() == 60.0
    saved = {
        name: torch.load(tmp_path / "checkpoints" / f"{name}.pt", weights_only=True)
        for name in ("best", "last")
    }
    assert (saved["best"]["epoch"], saved["best"]["best_ap"]) == (3, 60.0)
    assert (saved["last"]["epoch"], saved["last"]["best_ap"]) == (5, 60.0)


def test_undefined_ap_still_leaves_a_best_checkpoint(tmp_path):
    make_trainer(tmp_path, epochs=1, validate=lambda model: {"AP": float("nan")}).fit()
    assert (tmp_path / "checkpoints" / "best.pt").exists()


@pytest.mark.parametrize(("every", "expected"), [(1, [1, 2, 3]), (2, [2, 3]), (0, [3]), (None, [])])
def test_validation_comes_every_n_epochs_and_at_the_end(tmp_path, every, expected):
    trainer = make_trainer(tmp_path, epochs=3, validate_every=every)
    seen = []

    def validate(model):
        assert not model.training
        seen.append(trainer.state.epoch)
        return {"AP": 1.0}

    trainer.validate = validate
    trainer.fit()
    assert seen == expected
    names = {path.name for path in (tmp_path / "checkpoints").iterdir()} - {"previous.pt"}
    assert names == ({"best.pt", "last.pt"} if expected else {"last.pt"})


def test_validation_without_a_number_is_refused(tmp_path):
    trainer = make_trainer(tmp_path, epochs=1, validate=lambda model: {})
    with pytest.raises(ValueError, match="validate returned nothing"):
        trainer.fit()


def test_the_best_is_chosen_by_the_first_number(tmp_path, caplog):
    results = iter([30.0, 50.0, 40.0])

    def validate(model):
        value = next(results)
        return {"AUC": value, "mean px": 100 - value}

    with caplog.at_level("INFO"):
        assert make_trainer(tmp_path, epochs=3, validate=validate).fit() == 50
    assert "AUC 50.00 (best)" in caplog.text
    assert "AUC 40.00," in caplog.text


def test_empty_training_set_is_refused(tmp_path):
    trainer = make_trainer(tmp_path, train_batches=lambda epoch: [])
    with pytest.raises(ValueError, match="at least 1"):
        trainer.fit()


def test_non_finite_loss_names_the_batch_and_leaves_the_checkpoint(tmp_path):
    def batches(epoch):
        made = epoch_batches(epoch)
        if epoch == 1:
            made[1].joint_weights[0, 0] = float("nan")
        return made

    trainer = make_trainer(tmp_path, train_batches=batches)
    trainer.encode_targets = lambda batch: (
        torch.zeros(len(batch), 3, 12, 8),
        batch.joint_weights,
    )
    with pytest.raises(NonFiniteLossError, match=r"step 5.*video11 frame 0 .*video11 frame 1"):
        trainer.fit()
    checkpoint = torch.load(tmp_path / "checkpoints" / "last.pt", weights_only=True)
    assert checkpoint["epoch"] == 1
    assert all(t.isfinite().all() for t in checkpoint["model"].values())
    assert all(
        p.isfinite().all() for p in trainer.state.model.parameters()
    )  # stopped before the update


class DeviceLoss:
    """A loss that says it is not on a CPU, where the host looks at log intervals only."""

    device = torch.device("cuda")

    def __init__(self, value: float) -> None:
        self.value = torch.tensor(value)

    def detach(self) -> "DeviceLoss":
        return self


def test_loss_on_a_device_is_read_once_and_names_the_exact_batch(monkeypatch):
    stacked = []

    def stack(losses):
        stacked.append(len(losses))
        return torch.tensor([loss.value for loss in losses])

    monkeypatch.setattr("dcpose.engine.meter.torch.stack", stack)
    meter = EpochMeter()
    for step, value in enumerate([1.0, 4.0], start=1):
        meter.add(DeviceLoss(value), make_batch(step, seed=step).people, step)
    assert stacked == []
    assert meter.read().loss == pytest.approx(3.0)  # (1 * 1 + 2 * 4) / 3 clips
    assert stacked == [2]
    for step, value in enumerate([1.0, float("inf"), float("nan")], start=3):
        meter.add(DeviceLoss(value), make_batch(1, seed=step).people, step)
    with pytest.raises(NonFiniteLossError, match=r"inf at step 4; .*: video4 frame 0 [^;]*$"):
        meter.read()


def test_log_has_intervals_and_epochs(tmp_path):
    make_trainer(tmp_path, epochs=2, log_every=2, validate_every=2).fit()
    lines = read_log(tmp_path)
    assert [(line["kind"], line["epoch"], line["step"]) for line in lines] == [
        ("train", 1, 2), ("train", 1, 3), ("epoch", 1, 3),
        ("train", 2, 5), ("train", 2, 6), ("epoch", 2, 6),
    ]  # fmt: skip
    assert {"loss", "lr", "clips_per_s", "waiting", "time"} <= lines[0].keys()
    # the epoch's loss is the mean over clips: four in the first interval, two in the second
    mean = (4 * lines[0]["loss"] + 2 * lines[1]["loss"]) / 6
    assert lines[2]["loss"] == pytest.approx(mean)
    assert "AP" not in lines[2]
    assert (lines[5]["AP"], lines[5]["nose"]) == (50.0, None)


def test_tensorboard_holds_curves_and_pictures(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    trainer = make_trainer(tmp_path, epochs=2, log_every=1)
    trainer.draw = lambda model: {"clips": np.full((4, 6, 3), 200, dtype=np.uint8)}
    trainer.fit()
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("train/loss")] == [1, 2, 3, 4, 5, 6]
    assert [event.value for event in events.Scalars("AP/AP")] == [50.0, 50.0]
    assert {"train/lr", "train/clips_per_s"} <= set(events.Tags()["scalars"])
    picture = events.Images("clips")[0]
    assert (picture.width, picture.height, picture.step) == (6, 4, 3)


@pytest.mark.parametrize(
    ("epochs", "every", "pictured"),
    [
        (3, 1, [1, 2, 3]),
        (5, 2, [2, 4, 5]),
        (4, 0, [4]),
        (45, 1, [*range(3, 46, 3)]),
        (41, 2, [4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 41]),
    ],
)
def test_a_run_keeps_few_pictures(tmp_path, monkeypatch, epochs, every, pictured):
    monkeypatch.setattr("dcpose.engine.trainer.MOST_PICTURES", 15)
    trainer = make_trainer(tmp_path, epochs=epochs, validate_every=every)
    shown = []
    for epoch in range(1, epochs + 1):
        trainer.state.epoch = epoch
        if trainer._validation_is_due(epoch) and trainer._pictures_are_due():
            shown.append(epoch)
    assert shown == pictured
    assert len(shown) <= 15


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_trains_on_cuda(tmp_path, precision):
    trainer = make_trainer(tmp_path, model=TinyModel().cuda(), precision=precision, ema_decay=0.9)
    trainer.fit()
    again = make_trainer(tmp_path, model=TinyModel().cuda(), precision=precision, ema_decay=0.9)
    again.resume(tmp_path / "checkpoints" / "last.pt")
    assert_same_state(again.state.model.state_dict(), trainer.state.model.state_dict())
    assert again.state.scaler.state_dict() == trainer.state.scaler.state_dict()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_non_finite_loss_on_cuda_names_the_batch(tmp_path):
    batches = epoch_batches(0)
    trainer = make_trainer(
        tmp_path, model=TinyModel().cuda(), train_batches=lambda epoch: batches, precision="fp32"
    )
    batches[1].joint_weights[:] = float("nan")
    trainer.encode_targets = lambda batch: (
        torch.zeros(len(batch), 3, 12, 8, device="cuda"),
        batch.joint_weights,
    )
    with pytest.raises(NonFiniteLossError, match=r"step 2; .*: video1 frame 0 "):
        trainer.fit()
