"""Fixtures of the command line tests: every test works in its own folder."""

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
