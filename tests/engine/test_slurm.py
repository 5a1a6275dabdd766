"""srun's variables in torchrun's words."""

import pytest

from dcpose.engine.slurm import first_host, variables_of_torchrun

STEP = {
    "SLURM_JOB_ID": "31234",
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_PROCID": "3",
    "SLURM_LOCALID": "1",
    "SLURM_STEP_NODELIST": "gpu[07-08]",
}


def test_a_process_of_srun():
    assert variables_of_torchrun(STEP) == {
        "WORLD_SIZE": "4",
        "RANK": "3",
        "LOCAL_RANK": "1",
        "MASTER_ADDR": "gpu07",
        "MASTER_PORT": "21234",
    }
    chosen = variables_of_torchrun({**STEP, "MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "5"})
    assert (chosen["MASTER_ADDR"], chosen["MASTER_PORT"]) == ("10.0.0.1", "5")


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"SLURM_NTASKS": "4", "SLURM_PROCID": "0"},  # the script of sbatch itself
        {**STEP, "SLURM_STEP_NUM_TASKS": "1"},
        {**STEP, "WORLD_SIZE": "2"},  # torchrun, started by srun
    ],
)
def test_others_are_left_alone(environment):
    assert variables_of_torchrun(environment) == {}


@pytest.mark.parametrize(
    ("nodes", "host"),
    [
        ("node1", "node1"),
        ("node1,node2", "node1"),
        ("gpu[03-05,9]", "gpu03"),
        ("gpu[3,7-9],login", "gpu3"),
        ("rack1-gpu[003-004]-ib,x", "rack1-gpu003-ib"),
    ],
)
def test_first_host(nodes, host):
    assert first_host(nodes) == host


def test_no_host():
    with pytest.raises(ValueError, match="SLURM_STEP_NODELIST: found '', expected nodes"):
        first_host("")
