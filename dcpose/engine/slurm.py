"""What srun tells the processes that it starts, in the words of torchrun."""

import re
from collections.abc import Mapping

PORTS = range(20000, 30000)
"""One of these is the meeting point of a job; its number decides, so that jobs do not meet."""


def variables_of_torchrun(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that torchrun would have set; empty where srun started one process.

    Args:
        environment: of this process.

    Raises:
        ValueError: if srun's list of nodes is none.
    """
    tasks = environment.get("SLURM_STEP_NUM_TASKS", "1")  # that of srun, not that of the allocation
    if "WORLD_SIZE" in environment or int(tasks) < 2:
        return {}
    job = int(environment.get("SLURM_JOB_ID", "0"))
    return {
        "WORLD_SIZE": tasks,
        "RANK": environment["SLURM_PROCID"],
        "LOCAL_RANK": environment["SLURM_LOCALID"],
        "MASTER_ADDR": environment.get("MASTER_ADDR")
        or first_host(environment["SLURM_STEP_NODELIST"]),
        "MASTER_PORT": environment.get("MASTER_PORT") or str(PORTS[job % len(PORTS)]),
    }


def first_host(nodes: str) -> str:
    """Return the first host of SLURM's short form, such as gpu[03-05,9]-ib,login: gpu03-ib.

    Raises:
        ValueError: if there is none.
    """
    found = re.match(r"([^\[\],\s]+)(?:\[(\d+)[^\]]*\]([^\[\],\s]*))?", nodes)
    if found is None:
        raise ValueError(
            f"SLURM_STEP_NODELIST: found {nodes!r}, expected nodes such as gpu[03-05]; set "
            "MASTER_ADDR to the first of them"
        )
    return "".join(part or "" for part in found.groups())
