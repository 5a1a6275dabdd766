"""scripts/cluster.sbatch with stand-ins for SLURM's programs."""

import subprocess

import pytest

SRUN = """#!/usr/bin/env bash
echo "srun $*" >> "$LOG"
shift
"$@"
"""


@pytest.fixture
def job(tmp_path, pytestconfig):
    """Function (arguments, variables) -> exit code and what srun and scontrol were called with."""
    for name, text in {
        "srun": SRUN,
        "scontrol": '#!/usr/bin/env bash\necho "scontrol $*" >> "$LOG"\n',
    }.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)

    def run(*arguments, **variables):
        log = tmp_path / "calls"
        log.unlink(missing_ok=True)
        path = {"PATH": f"{tmp_path}:/usr/bin:/bin", "LOG": str(log), "SLURM_JOB_ID": "17"}
        script = pytestconfig.rootpath / "scripts" / "cluster.sbatch"
        done = subprocess.run(
            ["bash", str(script), *arguments], env={**path, **variables}, cwd=tmp_path
        )
        return done.returncode, log.read_text().splitlines()

    return run


@pytest.mark.parametrize(("code", "again"), [(0, False), (2, False), (1, False), (143, True)])
def test_a_job_that_sigterm_stopped_queues_itself_again(job, code, again):
    found, calls = job("bash", "-c", f"exit {code}")
    assert found == code
    assert calls[0] == f"srun --kill-on-bad-exit=1 bash -c exit {code}"
    assert calls[1:] == ["scontrol requeue 17"] * again


def test_a_task_of_an_array_does_its_line(job, tmp_path):
    (tmp_path / "runs.txt").write_text("touch first\ntouch 'the second' other\nfalse\n")
    code, calls = job("runs.txt", SLURM_ARRAY_TASK_ID="2")
    assert code == 0
    assert len(calls) == 1
    assert {"the second", "other"} <= {path.name for path in tmp_path.iterdir()}
    assert not (tmp_path / "first").exists()


def test_the_script_waits_for_tasks_that_save(job):
    """SIGTERM reaches the script as well; its tasks still finish."""
    code, calls = job("bash", "-c", "kill -TERM $(ps -o ppid= -p $PPID); sleep 0.2; exit 143")
    assert code == 143
    assert calls[-1] == "scontrol requeue 17"
