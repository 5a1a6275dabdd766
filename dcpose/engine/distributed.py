"""Several processes started by torchrun or srun: one per GPU, or several on a CPU.

Without them everything here works for one process: rank 0 of 1.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from dcpose.engine.devices import choose_device
from dcpose.engine.slurm import variables_of_torchrun

T = TypeVar("T")

TIMEOUT_S = 1800
"""Others wait this long for the main process, which alone computes AP and writes files."""


@contextmanager
def process_group(
    device: torch.device | str, timeout_s: float = TIMEOUT_S
) -> Iterator[torch.device]:
    """Join the processes that torchrun or srun started, and leave them at the end.

    Args:
        device: as the user asked for, see `choose_device`; under torchrun and srun, process n
            of a machine gets GPU n.
        timeout_s: how long a process waits for another one before it raises.

    Yields:
        The device of this process.

    Raises:
        ValueError: if the device is absent or cannot be shared, or there are more processes than
            GPUs.
    """
    device = choose_device(device)
    os.environ.update(variables_of_torchrun(os.environ))
    if "WORLD_SIZE" not in os.environ:
        yield device
        return
    if device.type == "mps":
        raise ValueError("torchrun works with cuda and cpu; use --device cpu")
    timeout = timedelta(seconds=timeout_s)
    if device.type == "cuda":
        device = _own_gpu()
        torch.cuda.set_device(device)
        distributed.init_process_group("nccl", timeout=timeout, device_id=device)
    else:
        distributed.init_process_group("gloo", timeout=timeout)
    yield device
    # not after an error: the others may be in the middle of an exchange, and leaving would wait
    # for them; torchrun ends them when this process exits
    distributed.destroy_process_group()


def _own_gpu() -> torch.device:
    local_rank, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if local_rank >= gpus:
        raise ValueError(
            f"torchrun started process {local_rank} on a machine with {gpus} GPUs; use "
            f"--nproc-per-node {gpus} (srun: --gpus-per-node as --ntasks-per-node) or --device cpu"
        )
    return torch.device("cuda", local_rank)


def _joined() -> bool:
    if distributed.is_available() and distributed.is_initialized():
        return True
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise RuntimeError(
            f"torchrun started {os.environ['WORLD_SIZE']} processes that have not joined each "
            f"other; run inside `with process_group(device)`"
        )
    return False


def rank() -> int:
    """Return the number of this process, 0 to `world_size() - 1`."""
    return distributed.get_rank() if _joined() else 0


def world_size() -> int:
    """Return the number of processes."""
    return distributed.get_world_size() if _joined() else 1


def is_main() -> bool:
    """Return whether this process is the one that writes files and log lines."""
    return rank() == 0


def barrier() -> None:
    """Wait until every process is here."""
    if world_size() > 1:
        distributed.barrier()


class Agreement:
    """Whether any process wants to stop, known to all after the same step.

    The answer is about the step before: by then it has travelled, so nobody waits for it, and
    no GPU takes part.
    """

    def __init__(self) -> None:
        # own connections, so that the exchange is independent of that of gradients
        self._group: Any = distributed.new_group(backend="gloo") if world_size() > 1 else None
        self._pending: tuple[Any, torch.Tensor] | None = None

    def reached(self, wanted: bool) -> bool:
        """Return whether a process wanted to stop; all call this once per step.

        Args:
            wanted: whether this process wants to stop now.
        """
        if self._group is None:
            return wanted
        answer = self._result()
        flag = torch.tensor(int(wanted))
        work = distributed.all_reduce(
            flag, distributed.ReduceOp.MAX, group=self._group, async_op=True
        )
        self._pending = (work, flag)
        return answer

    def end(self) -> None:
        """Wait for what is on its way; call it when no step will follow."""
        self._result()

    def _result(self) -> bool:
        if self._pending is None:
            return False
        work, flag = self._pending
        self._pending = None
        work.wait()
        return bool(flag)


def broadcast_object(value: T) -> T:
    """Return the main process's value in every process (any picklable object)."""
    if world_size() == 1:
        return value
    values = [value]
    distributed.broadcast_object_list(values, src=0)
    return values[0]


def gather_objects(value: T) -> list[T]:
    """Return the values of all processes, in order of rank (any picklable object)."""
    if world_size() == 1:
        return [value]
    values: list[T | None] = [None] * world_size()
    distributed.all_gather_object(values, value)
    return values  # type: ignore[return-value]


def wrap_model(module: nn.Module, device: torch.device) -> nn.Module:
    """Average gradients over the processes; with one process, return the module itself.

    Only trainable parameters are exchanged, so a frozen backbone costs one broadcast at the start
    and nothing after. Buffers are not exchanged at each step either, since training does not read
    them: call `synchronise_buffers` before using the model.
    """
    if world_size() == 1:
        return module
    device_ids = [device.index] if device.type == "cuda" else None
    wrapped = DistributedDataParallel(module, device_ids=device_ids)
    # the argument of this name is deprecated since torch 2.15, its successor unknown before
    wrapped.broadcast_buffers = False
    return wrapped


def synchronise_buffers(module: nn.Module) -> None:
    """Give every process the main one's buffers (BatchNorm statistics)."""
    if world_size() == 1:
        return
    for buffer in module.buffers():
        distributed.broadcast(buffer, src=0)
