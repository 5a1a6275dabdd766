"""What every command line in tools/ and scripts/ shares: arguments, and errors in one line."""

import argparse
import functools
import os
import sys
from collections.abc import Callable, Sequence
from typing import Protocol

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130
TRACEBACK_SWITCH = "DCPOSE_TRACEBACK"


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


def config_parser(description: str) -> argparse.ArgumentParser:
    """Return a parser with what all tools take: --cfg, --weights, --device and overrides."""
    parser = argparse.ArgumentParser(
        description=description,
        epilog="Overrides are config keys: train.epochs=3, or train.epochs 3. Values are YAML.",
    )
    parser.add_argument("--cfg", required=True, help="config file (YAML)")
    parser.add_argument(
        "--weights",
        help="our own checkpoint, or weights of DCPose, HRNet ... as their authors released them",
    )
    parser.add_argument(
        "--device", choices=("cpu", "cuda"), help="default: cuda where there is one"
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="config overrides")
    return parser


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


def require_weights(weights: str | None) -> str:
    """Return the --weights option, or say what it should name.

    Raises:
        ValueError: if the option was not given.
    """
    if weights is None:
        raise ValueError(
            "--weights is missing: name a checkpoint (runs/.../checkpoints/best.pt) or a released "
            "DCPose file"
        )
    return weights
