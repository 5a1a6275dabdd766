"""Signals: training stops after the step, saves, and continues with the same bits."""

import signal
import threading

import pytest
import torch
from engine_fakes import make_batch, make_trainer

from dcpose.cli import reports_user_errors
from dcpose.engine.encodings import TrainingSource
from dcpose.engine.faults.interruption import Interrupted, StopRequest
from dcpose.engine.run.checkpoint import CheckpointError, load_checkpoint
from dcpose.engine.run.randomness import seed_everything

TOTAL = 5  # batches per epoch


def batches(epoch):
    return [make_batch(2, seed=10 * epoch + i) for i in range(TOTAL)]


class Signalling(list):
    """Batches of which the one at `index` comes with a signal."""

    def __init__(self, items, index, number):
        super().__init__(items)
        self.index, self.number = index, number

    def __iter__(self):
        for index, item in enumerate(super().__iter__()):
            if index == self.index:
                signal.raise_signal(self.number)
            yield item


def same(one, other):
    """Whether checkpoints hold the same, bit for bit; the meter's times differ."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def run_whole(run_dir, **settings):
    seed_everything(3)
    make_trainer(run_dir, train_batches=batches, **settings).fit()
    return load_checkpoint(run_dir / "checkpoints" / "last.pt")


@pytest.mark.parametrize(
    ("epoch", "index", "settings"),
    [
        (0, 0, {}),
        (1, 3, {"ema_decay": 0.9}),
        (1, 4, {"accumulate": 2, "log_every": 2}),  # the last, short group
        (2, 1, {"accumulate": 2, "validate_every": 0, "log_every": 1}),
    ],
)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run_after_the_step(tmp_path, epoch, index, settings, number):
    whole = run_whole(tmp_path / "whole", **settings)

    def signalled(at):
        return Signalling(batches(at), index, number) if at == epoch else batches(at)

    seed_everything(3)
    trainer = make_trainer(tmp_path / "cut", train_batches=signalled, **settings)
    with StopRequest() as trainer.stop, pytest.raises(Interrupted) as caught:
        trainer.fit()
    assert caught.value.exit_code == 128 + number
    last = tmp_path / "cut" / "checkpoints" / "last.pt"
    accumulate = settings.get("accumulate", 1)
    done = min(TOTAL, accumulate * (index // accumulate + 1))
    assert load_checkpoint(last)["position"]["batches"] == done

    seed_everything(99)
    again = make_trainer(tmp_path / "cut", train_batches=batches, **settings)
    again.resume(last)
    again.fit()
    assert same(load_checkpoint(last), whole)
    logs = [
        [line.split('"time"')[0] for line in (run / "log.jsonl").read_text().splitlines()]
        for run in (tmp_path / "whole", tmp_path / "cut")
    ]
    assert logs[0] == logs[1]
    losses = [
        [line.split('"loss": ')[1].split(",")[0] for line in (run / "log.jsonl").open()]
        for run in (tmp_path / "whole", tmp_path / "cut")
    ]
    assert losses[0] == losses[1]  # the running mean of the epoch went on


def test_a_signal_during_validation_ends_it_at_once(tmp_path):
    whole = run_whole(tmp_path / "whole")
    finished = []

    def validate(model):
        if trainer.state.epoch == 2:
            signal.raise_signal(signal.SIGTERM)
            finished.append("the loop that predicts")
        return {"AP": 50.0}

    seed_everything(3)
    trainer = make_trainer(tmp_path / "cut", train_batches=batches, validate=validate)
    with StopRequest() as trainer.stop, pytest.raises(Interrupted):
        trainer.fit()
    assert finished == []
    last = tmp_path / "cut" / "checkpoints" / "last.pt"
    assert load_checkpoint(last)["position"]["batches"] == TOTAL

    again = make_trainer(tmp_path / "cut", train_batches=batches)
    loaded = []
    again.source = TrainingSource(
        lambda epoch, skip=0: loaded.append(batches(epoch)[skip:]) or loaded[-1]
    )
    again.resume(last)
    again.fit()
    assert [len(rest) for rest in loaded] == [0, TOTAL]
    assert same(load_checkpoint(last), whole)


@pytest.mark.parametrize(("every", "steps"), [(2, [2, 4, 5, 5]), (0, [5, 5]), (5, [5, 5])])
def test_checkpoints_inside_an_epoch(tmp_path, monkeypatch, every, steps):
    saved = []
    monkeypatch.setattr(
        "dcpose.engine.trainer.save_checkpoint",
        lambda path, state, previous=None: path.name == "last.pt" and saved.append(state["step"]),
    )
    make_trainer(tmp_path, train_batches=batches, epochs=1, save_every=every).fit()
    assert steps == saved  # before and after validation, too


def test_a_damaged_checkpoint_is_told_and_the_one_before_is_used(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("logging.Logger.propagate", True, raising=False)
    whole = run_whole(tmp_path, save_every=2)
    last = tmp_path / "checkpoints" / "last.pt"
    before = load_checkpoint(last.with_name("previous.pt"))
    assert (before["epoch"], before["position"]["batches"]) == (2, TOTAL)
    content = bytearray(last.read_bytes())
    content[len(content) // 2] ^= 1  # one bit
    last.write_bytes(content)

    trainer = make_trainer(tmp_path, train_batches=batches, save_every=2)
    with caplog.at_level("WARNING"):
        trainer.resume(last)
    assert "last.pt: not a readable checkpoint (the checksum of" in caplog.text
    assert "continuing from the one before" in caplog.text
    assert same(load_checkpoint(last), before)  # good again, before anything is written
    trainer.fit()
    assert same(load_checkpoint(last), whole)


def test_a_checkpoint_from_inside_an_epoch_needs_as_many_processes(tmp_path):
    trainer = make_trainer(tmp_path, train_batches=batches)
    trainer.state.batches_done = 2
    trainer.save()
    content = load_checkpoint(trainer.run.last)
    content["position"]["meters"] *= 2
    torch.save(content, trainer.run.last)
    with pytest.raises(CheckpointError, match="by 2 processes, this run has 1; continue with 2"):
        make_trainer(tmp_path).resume(trainer.run.last)


def test_what_killed_writers_left_is_removed(tmp_path):
    make_trainer(tmp_path, epochs=1).fit()
    (tmp_path / "checkpoints" / ".last.pt.123.tmp").write_bytes(b"half of it")
    make_trainer(tmp_path).resume(tmp_path / "checkpoints" / "last.pt")
    names = {path.name for path in (tmp_path / "checkpoints").iterdir()}
    assert names == {"last.pt", "previous.pt", "best.pt"}


def test_handlers_come_and_go():
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    with StopRequest() as stop:
        assert stop.received is None
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)  # schedulers send several
        assert stop.received is signal.SIGTERM
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


def test_second_ctrl_c_ends_at_once(tmp_path, start_program):
    (tmp_path / "program.py").write_text(
        "import os, signal, time; from dcpose.engine.faults.interruption import StopRequest\n"
        "with StopRequest() as stop:\n"
        "    signal.raise_signal(signal.SIGINT)\n"
        "    print(stop.received.name, flush=True)\n"
        "    signal.raise_signal(signal.SIGINT)\n"
        "    print('still here')\n"
    )
    program = start_program(tmp_path / "program.py")
    assert program.wait() == -signal.SIGINT
    first, second = program.said().splitlines()
    assert first.startswith("SIGINT: finishing the step and saving; Ctrl-C ends at once")
    assert second == "SIGINT"


def test_exit_code_of_a_command(capsys):
    @reports_user_errors
    def command(argv=None):
        raise Interrupted(signal.SIGTERM)

    assert command() == 143
    assert capsys.readouterr().err == "stopped by SIGTERM\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupts_wait_for_the_end_of_a_write(number):
    before, written = signal.getsignal(number), []

    def write():
        with StopRequest() as stop, stop.nothing_to_finish(), stop.held():
            signal.raise_signal(number)
            written.append("whole")

    with pytest.raises(KeyboardInterrupt):
        write()
    assert written == ["whole"]
    assert signal.getsignal(number) is before


def test_outside_of_writes_they_act_at_once():
    reached = []

    def work():
        with StopRequest() as stop, stop.nothing_to_finish():
            signal.raise_signal(signal.SIGINT)
            reached.append("too far")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert reached == []


def test_other_threads_are_left_alone():
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def work():
        with StopRequest():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
