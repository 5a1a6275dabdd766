"""The command `dcpose`, and what all command lines share: overrides, errors in one line."""

import importlib
import subprocess
import sys

import pytest

import dcpose
from dcpose import cli
from dcpose.cli import config_parser, reports_user_errors, require_weights


@pytest.mark.parametrize(
    "arguments",
    [
        ["--cfg", "a.yaml", "--device", "cpu", "seed=1", "train.epochs", "3"],
        ["seed=1", "train.epochs", "3", "--cfg", "a.yaml", "--device", "cpu"],
        ["seed=1", "--cfg", "a.yaml", "train.epochs", "3", "--device", "cpu"],
        ["seed=1", "--cfg", "a.yaml", "train.epochs", "--device", "cpu", "3"],
    ],
)
def test_overrides_stand_anywhere(arguments):
    args = config_parser("A tool.").parse_intermixed_args(arguments)
    assert (args.cfg, args.device, args.weights) == ("a.yaml", "cpu", None)
    assert args.overrides == ["seed=1", "train.epochs", "3"]


def test_a_negative_value_is_no_option():
    parser = config_parser("A tool.")
    args = parser.parse_intermixed_args(["--cfg", "a.yaml", "data.min_box_score", "-1"])
    assert args.overrides == ["data.min_box_score", "-1"]


@pytest.mark.parametrize("arguments", [[], ["--cfg", "a.yaml", "--devise", "cpu"], ["seed=1"]])
def test_wrong_options_exit_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as exit_:
        config_parser("A tool.").parse_intermixed_args(arguments)
    assert exit_.value.code == 2
    assert "error: " in capsys.readouterr().err


def test_help_tells_about_overrides(capsys):
    with pytest.raises(SystemExit) as exit_:
        config_parser("A tool.").parse_intermixed_args(["--help"])
    assert exit_.value.code == 0
    assert "train.epochs=3, or train.epochs 3" in capsys.readouterr().out


def command_that_raises(error):
    @reports_user_errors
    def main(argv=None):
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("a.yaml: seed: found -1"), "error: a.yaml: seed: found -1"),
        (FileNotFoundError(2, "No such file", "b.json"), "error: [Errno 2] No such file: 'b.json'"),
    ],
)
def test_user_errors_are_one_line(error, line, capsys, monkeypatch):
    monkeypatch.delenv("DCPOSE_TRACEBACK", raising=False)
    assert command_that_raises(error)([]) == 2
    captured = capsys.readouterr()
    assert captured.err == f"{line}\n"
    assert captured.out == ""


def test_switch_shows_the_traceback(monkeypatch):
    monkeypatch.setenv("DCPOSE_TRACEBACK", "1")
    with pytest.raises(ValueError, match="where"):
        command_that_raises(ValueError("where"))([])


def test_our_own_mistakes_are_not_hidden():
    with pytest.raises(KeyError):
        command_that_raises(KeyError("a bug"))([])


def test_interrupt(capsys):
    assert command_that_raises(KeyboardInterrupt())([]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_home_folder_also_where_the_shell_leaves_it(monkeypatch):
    monkeypatch.setenv("HOME", "/home/anna")
    given = ["~/clip.mp4", "--out=~/poses", "--out", "~", "data.root=a~b", "--x", "~nobody-here/a"]
    seen = []
    assert reports_user_errors(lambda argv: seen.extend(argv) or 0)(given) == 0
    assert seen == [
        "/home/anna/clip.mp4", "--out=/home/anna/poses", "--out", "/home/anna", "data.root=a~b",
        "--x", "~nobody-here/a",
    ]  # fmt: skip


def test_exit_code_of_success():
    @reports_user_errors
    def main(argv=None):
        return 0

    assert main([]) == 0


def test_weights_are_required():
    assert require_weights("best.pt") == "best.pt"
    with pytest.raises(ValueError, match=r"--weights is missing: name a checkpoint"):
        require_weights(None)


def test_the_command_lists_all_commands_without_torch(capsys):
    code = (
        "import sys; from dcpose.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as end: print(end.code, 'torch' in sys.modules, 'numpy' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert out.splitlines()[-1] == "0 False False"
    assert all(f"\n  {name} " in out for name in cli.COMMANDS)


@pytest.mark.parametrize(("module", "text"), cli.COMMANDS.values(), ids=lambda value: value[:15])
def test_every_command_has_a_main_and_help(module, text, capsys):
    command = importlib.import_module(f"dcpose.jobs.commands.{module}")
    with pytest.raises(SystemExit) as exit_:
        command.main(["--help"])
    assert exit_.value.code == 0
    assert "usage:" in capsys.readouterr().out
    assert 10 < len(text) < 70


def test_arguments_reach_the_command(tmp_path, capsys):
    assert cli.main(["evaluate", "--annotations", str(tmp_path), "--predictions", "absent"]) == 2
    assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.parametrize("arguments", [[], ["trian"], ["--cfg", "a.yaml"]])
def test_unknown_commands_exit_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as exit_:
        cli.main(arguments)
    assert exit_.value.code == 2
    assert "usage: dcpose COMMAND" in capsys.readouterr().err


def test_version(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"dcpose {dcpose.__version__}\n"


def test_a_package_that_is_missing_is_named_with_its_extra(capsys, monkeypatch):
    def import_module(name):
        raise ModuleNotFoundError("No module named 'jinja2'", name="jinja2")

    monkeypatch.setattr(importlib, "import_module", import_module)
    assert cli.main(["report", "run"]) == 2
    assert capsys.readouterr().err == (
        "error: dcpose report needs the package jinja2, which is not installed; run "
        "pip install 'dcpose[report]'\n"
    )


def test_a_bug_in_an_import_is_not_hidden(monkeypatch):
    monkeypatch.setitem(cli.COMMANDS, "broken", ("no_such_module", ""))
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        cli.main(["broken"])
