"""The command `dcpose`, and what every command line shares: arguments, and errors in one line.

Nothing heavy is imported here: `dcpose --help` answers before torch could be loaded.
"""

import argparse
import functools
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Protocol

import dcpose
from dcpose.files.packages import requirement

COMMANDS = {
    "train": ("train", "train a model, or resume a run"),
    "val": ("val", "predict the val split and measure AP"),
    "test": ("test", "predict the test split and write leaderboard files"),
    "infer": ("infer", "find the poses in a video, a folder of images or a camera"),
    "export": ("export", "write a network for ONNX Runtime, OpenVINO or torch.export"),
    "check": ("check", "tell what is wrong with a data set"),
    "convert": ("convert_weights", "convert or inspect weights, or list those that can be fetched"),
    "convert-annotations": ("convert_annotations", "PoseTrack 2017, 2018 and COCO forms"),
    "import": ("import_labels", "make a data set of labels from other tools"),
    "detect": ("detect", "find the people of a data set or a folder"),
    "evaluate": ("evaluate", "measure AP of predictions files"),
    "report": ("report", "make one HTML page of runs"),
    "synthetic": ("synthetic", "render videos with annotations"),
    "check-install": ("check_install", "print versions, devices, codecs and extras"),
}
"""Name: module in `dcpose.jobs.commands`, what it does."""

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130
TRACEBACK_SWITCH = "DCPOSE_TRACEBACK"

WEIGHTS_HELP = (
    "our own checkpoint, weights as their authors released them, a name of `dcpose convert "
    "--list`, hf:OWNER/REPO[/FILE], or an https address"
)


class Command(Protocol):
    """A command line: arguments (None reads the process's own) to exit code."""

    def __call__(self, argv: Sequence[str] | None = None) -> int:
        """Run and return the exit code."""


def reports_user_errors(command: Callable[[Sequence[str] | None], int]) -> Command:
    """Turn errors that a user can mend into their text and exit code 2, without a traceback.

    These are ValueError (bad config, annotation, weights ...) and OSError (missing file, full
    disk). With DCPOSE_TRACEBACK=1 in the environment they show where they were raised.
    """

    @functools.wraps(command)
    def guarded(argv: Sequence[str] | None = None) -> int:
        arguments = [_with_home(text) for text in (sys.argv[1:] if argv is None else argv)]
        try:
            return command(arguments)
        except (ValueError, OSError) as error:
            if os.environ.get(TRACEBACK_SWITCH) == "1":
                raise
            print(f"error: {error}", file=sys.stderr)
            return EXIT_USER_ERROR
        except KeyboardInterrupt as interrupt:
            print(str(interrupt) or "interrupted", file=sys.stderr)
            return getattr(interrupt, "exit_code", EXIT_INTERRUPTED)

    return guarded


def _with_home(argument: str) -> str:
    """Read `~` as the home folder also where shells do not, as in --out=~/poses."""
    option, equals, path = argument.rpartition("=") if argument[:2] == "--" else ("", "", argument)
    return f"{option}{equals}{os.path.expanduser(path)}"


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run `dcpose COMMAND ...` and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {text}" for name, (_, text) in COMMANDS.items()]
    parser = argparse.ArgumentParser(
        prog="dcpose",
        usage="dcpose COMMAND ...",
        description="Multi-frame human pose estimation in video.",
        epilog="\n".join(["commands (`dcpose COMMAND --help` tells about one):", *lines]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"dcpose {dcpose.__version__}")
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help="see below")
    name = parser.parse_args(arguments[:1]).command
    if argv is None:
        sys.argv[0] = f"dcpose {name}"  # what the help of the command calls itself
    return _load(name)(arguments[1:])


def _load(name: str) -> Command:
    """Import one command; what it needs and is not installed is named with its way out."""
    module = COMMANDS[name][0]
    try:
        command: Command = importlib.import_module(f"dcpose.jobs.commands.{module}").main
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "dcpose":
            raise
        raise ValueError(
            f"dcpose {name} needs the package {error.name}, which is not installed; run "
            f"pip install {requirement(error.name)}"
        ) from None
    return command


def config_parser(description: str) -> argparse.ArgumentParser:
    """Return a parser with what all tools take: --cfg, --weights, --device and overrides."""
    parser = argparse.ArgumentParser(
        description=description,
        epilog="Overrides are config keys: train.epochs=3, or train.epochs 3. Values are YAML.",
    )
    parser.add_argument(
        "--cfg", required=True, help="config (YAML), or a shipped one: posetrack18/dcpose_hrnet_w48"
    )
    parser.add_argument("--weights", help=WEIGHTS_HELP)
    add_device(parser)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="config overrides")
    return parser


def documented_parser(text: str | None) -> argparse.ArgumentParser:
    """Return a parser whose help begins with a text as it is, the docstring of the command."""
    return argparse.ArgumentParser(
        description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def leading_choices(
    parser: argparse.ArgumentParser, option: str, values: Sequence[str], choices: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Part the values of an option from the config overrides that stand behind them.

    Exits like the parser if the first value after the choices is no override either.
    """
    count = next((i for i, value in enumerate(values) if value not in choices), len(values))
    overrides = list(values[count:])
    if overrides and not set(overrides[0]) & {"=", "."}:
        known = ", ".join(choices)
        parser.error(f"argument {option}: found {overrides[0]!r}, expected of {known}")
    return list(values[:count]), overrides


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add --device."""
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda", "mps"),
        default="auto",
        help="auto (default) takes cuda, else mps, else cpu",
    )


def require_weights(weights: str | None) -> str:
    """Return the --weights option, or say what it should name.

    Raises:
        ValueError: if the option was not given.
    """
    if weights is None:
        raise ValueError(
            "--weights is missing: name a checkpoint (runs/.../checkpoints/best.pt), a released "
            "file, or one of `dcpose convert --list`"
        )
    return weights
