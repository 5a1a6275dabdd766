"""Fixtures of the command line tests: every test works in its own folder."""

import os
import subprocess
import sys

import pytest


@pytest.fixture(autouse=True)
def _own_folder(run_here):
    """Relative paths, `runs/` among them, lie in tmp_path."""


@pytest.fixture(scope="session")
def refused(load_command):
    """Function (tool, arguments, capsys) -> the one line that the tool ends with."""

    def run(tool, arguments, capsys):
        assert load_command(tool).main([str(argument) for argument in arguments]) == 2
        captured = capsys.readouterr()
        errors = [line for line in captured.err.splitlines() if line.startswith("error: ")]
        assert captured.err.splitlines()[-1:] == errors, captured.err
        assert "Traceback" not in captured.err
        return errors[0]

    return run


@pytest.fixture(scope="session")
def run_process(request):
    """Function (arguments of python, environment) -> the finished process, output as text.

    It computes with one thread, like the tests themselves.
    """

    def run(*arguments, **environment):
        environment = {"OMP_NUM_THREADS": "1", **environment}
        paths = [str(request.config.rootpath), os.environ.get("PYTHONPATH", "")]
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), **environment},
            capture_output=True,
            text=True,
            timeout=240,
        )

    return run


@pytest.fixture(scope="session")
def torchrun(request, run_process):
    """Function (tool, arguments) -> two processes that succeeded."""

    def run(tool, *arguments):
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
        path = request.config.rootpath / tool
        result = run_process(*launcher, path, *arguments)
        assert result.returncode == 0, result.stderr

    return run
