import json
import socket
from pathlib import Path

import pytest
import torch
from engine_fakes import JOINTS, make_batch, make_trainer
from torch import nn

from dcpose.engine import distributed
from dcpose.models.interface import Supervised

HERE = Path(__file__).parent


class PlainModel(nn.Module):
    """One convolution over a frozen one; no BatchNorm, so a batch can be cut in pieces."""

    def __init__(self, start: float = 0.0) -> None:
        super().__init__()
        self.frozen = nn.Conv2d(3, 4, 4, stride=4)
        self.head = nn.Conv2d(4, JOINTS, 1)
        self.register_buffer("statistics", torch.zeros(2))
        self.frozen.requires_grad_(False)
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) + start)

    def encode(self, frames):
        return frames

    def training_outputs(self, frames, gaps):
        return {"heatmaps": Supervised(self.head(self.frozen(frames[:, 0])))}


def shard(rank: int, size: int):
    """Clips of one of two processes: two batches."""
    return [make_batch(size, seed=2 * i + rank) for i in range(2)]


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory, run_two):
    """Both processes' results, the folder of the run, and what they said."""
    run_dir = tmp_path_factory.mktemp("two")
    said = run_two(HERE / "two_processes.py", run_dir)
    return [torch.load(run_dir / f"rank{r}.pt") for r in range(2)], run_dir, said


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


@pytest.mark.slow
def test_two_nodes_train_to_the_bits_of_one_that_srun_starts_two_processes_on(
    tmp_path, start_program, torchrun
):
    step = {"SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_NODELIST": "localhost"}
    step["MASTER_PORT"] = free_port()
    script = HERE / "two_ranks.py"
    one = [
        start_program(script, tmp_path / "one", **step, SLURM_PROCID=rank, SLURM_LOCALID=rank)
        for rank in "01"
    ]
    nodes = ["--nnodes", "2", "--nproc-per-node", "1"]
    nodes += ["--master-addr", "127.0.0.1", "--master-port", free_port()]
    two = [torchrun(*nodes, "--node-rank", rank, script, tmp_path / "two") for rank in "01"]
    for program in one + two:
        assert program.wait() == 0, program.said()
    first, second = (torch.load(tmp_path / run / "weights.pt") for run in ("one", "two"))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    checkpoint = torch.load(tmp_path / "two" / "checkpoints" / "last.pt")
    assert len(checkpoint["rng"]) == 2  # both nodes took part


@pytest.mark.slow
def test_two_processes_take_the_step_of_one_with_all_clips(two_processes, tmp_path):
    ranks, _, _ = two_processes
    # the same eight clips in one process: rank 0's start is broadcast, accumulation makes one step
    trainer = make_trainer(
        tmp_path,
        model=PlainModel(),
        train_batches=lambda epoch: shard(0, 2) + shard(1, 2),
        optimizer="sgd",
        epochs=1,
        accumulate=4,
    )
    before = trainer.state.model.head.weight.clone()
    trainer.fit()
    for key in ("head.weight", "head.bias"):
        torch.testing.assert_close(ranks[0]["weights"][key], trainer.state.model.state_dict()[key])
        assert torch.equal(ranks[0]["weights"][key], ranks[1]["weights"][key])
    assert not torch.equal(before, trainer.state.model.head.weight)


@pytest.mark.slow
def test_buffers_and_frozen_weights_are_the_main_processs(two_processes):
    ranks, _, _ = two_processes
    assert ranks[1]["weights"]["statistics"].tolist() == [5.0, 5.0]
    assert ranks[1]["average"]["statistics"].tolist() == [5.0, 5.0]
    assert torch.equal(ranks[1]["weights"]["frozen.weight"], PlainModel().frozen.weight)


@pytest.mark.slow
def test_only_the_main_process_writes(two_processes):
    ranks, run_dir, said = two_processes
    lines = [json.loads(line) for line in (run_dir / "log.jsonl").read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["train", "epoch"]
    assert lines[1]["AP"] == 10.0  # not the 11 of the other process
    assert len((run_dir / "train.log").read_text().splitlines()) == 2
    assert said.count("epoch 1/1 done") == 1
    assert ranks[0]["best_ap"] == 10.0
    checkpoint = torch.load(run_dir / "checkpoints" / "last.pt", weights_only=True)
    assert len(checkpoint["rng"]) == 2
    assert not any(key.startswith("module.") for key in checkpoint["model"])


@pytest.mark.slow
def test_processes_exchange_objects(two_processes):
    ranks, _, _ = two_processes
    assert [seen["gathered"] for seen in ranks] == [[0, 10], [0, 10]]
    assert [seen["broadcast"] for seen in ranks] == ["from 0", "from 0"]


@pytest.mark.slow
def test_misuse_is_explained(two_processes):
    ranks, _, _ = two_processes
    assert "have not joined" in ranks[0]["refused"]
    for seen in ranks:
        assert "[1, 2], expected equal numbers" in seen["uneven"]


def test_one_process_is_the_main_one_and_not_wrapped():
    module = nn.Linear(1, 1)
    assert (distributed.rank(), distributed.world_size(), distributed.is_main()) == (0, 1, True)
    assert distributed.wrap_model(module, torch.device("cpu")) is module
    assert distributed.gather_objects("x") == ["x"]
    assert distributed.broadcast_object("x") == "x"
    with distributed.process_group("cpu") as device:
        assert device == torch.device("cpu")


def test_cuda_without_a_gpu_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="--device cpu"), distributed.process_group("cuda"):
        pass


def test_more_processes_than_gpus_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(ValueError, match="--nproc-per-node 2"), distributed.process_group("cuda"):
        pass
