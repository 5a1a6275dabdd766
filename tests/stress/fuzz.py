"""Throw damaged files at every reader: each is read, or refused in one line that names it.

python tests/stress/fuzz.py --cases 100000 --seed 0 [--readers config frame ...]
python tests/stress/fuzz.py --seed 0 --case annotations:123     # repeats one, with its traceback

Every reader works in a process of its own, so that a crash is a result, too. A case may take
CPU seconds and memory up to a limit. The same seed makes the same cases.
"""

import argparse
import logging
import multiprocessing
import os
import random
import resource
import shutil
import signal
import tempfile
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fuzzing.readers import Reader, make_readers

from dcpose.cli import reports_user_errors

CPU_SECONDS = 5.0
"""A case may take this long."""
MEMORY = 2**30
"""Bytes of address space that a case may add."""
MAX_LINE = 5000
SHOWN = 5


class BadRefusalError(Exception):
    """A file is refused, but not in one line that names it."""


class Hang(BaseException):
    """A case takes too long; no reader catches this."""


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=10_000, help="cases of all readers together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--readers", nargs="+", help="only these")
    parser.add_argument("--case", metavar="READER:NUMBER", help="repeat one case")
    parser.add_argument("--keep", type=Path, help="with --case: folder for the damaged file")
    return parser.parse_args(argv)


def damaged(reader: Reader, seed: int, number: int) -> bytes:
    """Return the content of a case."""
    rng = random.Random(f"{seed}/{reader.name}/{number}")  # noqa: S311 - no secret
    return rng.choice(reader.mutations)(rng.choice(reader.seeds), rng)


def run_case(reader: Reader, content: bytes, folder: Path) -> str | None:
    """Read a damaged file.

    Returns:
        None if it was read, else the message of the refusal.

    Raises:
        BadRefusalError: if the refusal is not one line that names the file.
        BaseException: whatever else escapes the reader.
    """
    path = folder / reader.file
    path.write_bytes(content)
    try:
        reader.read(path)
    except (ValueError, OSError) as error:
        text = str(error)
        # UnicodeEncodeError and the like are ValueErrors that nobody meant to raise
        if type(error).__module__ == "builtins" and type(error) not in (
            ValueError,
            FileNotFoundError,
        ):
            raise
        fault = _fault_of(text, reader, folder)
        if fault is not None:
            raise BadRefusalError(f"{fault}: {text[:200]}") from error
        return text
    return None


def _fault_of(text: str, reader: Reader, folder: Path) -> str | None:
    lines = text.splitlines()
    if str(folder) not in text:
        return "the file is not named"
    if len(lines) != 1 and not reader.name.startswith(
        "config"
    ):  # which has a line for each problem
        return f"{len(lines)} lines"
    return f"a line of {len(text)} characters" if max(map(len, lines)) > MAX_LINE else None


def run_reader(name: str, numbers: range, seed: int, state: Any, results: Any) -> None:
    """Run the cases of a reader in this process, from `state.value` on; see `fuzz_reader`."""
    _be_quiet()
    root = Path(tempfile.mkdtemp(prefix="fuzz-"))
    try:
        reader = next(r for r in make_readers(root) if r.name == name)
        _limit_memory()
        signal.signal(signal.SIGPROF, _on_alarm)
        counts, escapes = Counter[str](), []
        for number in numbers:
            state.value = number
            folder = root / "case"
            folder.mkdir()
            signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
            try:
                refusal = run_case(reader, damaged(reader, seed, number), folder)
                counts["read" if refusal is None else "refused"] += 1
            except BaseException as error:  # this is what is looked for
                escapes.append((number, type(error).__name__, str(error)[:300]))
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
            shutil.rmtree(folder)
        results.put((counts, escapes))
    finally:
        shutil.rmtree(root, ignore_errors=True)


def fuzz_reader(
    name: str, cases: int, seed: int
) -> tuple[Counter[str], list[tuple[int, str, str]]]:
    """Run the cases of a reader in another process, and go on behind a case that kills it."""
    context = multiprocessing.get_context("fork")
    total, escapes = Counter[str](), []
    start = 0
    while start < cases:
        state, results = context.Value("q", start), context.SimpleQueue()
        numbers = range(start, min(start + 2000, cases))
        process = context.Process(target=run_reader, args=(name, numbers, seed, state, results))
        process.start()
        process.join()
        if process.exitcode == 0:
            counts, found = results.get()
            total += counts
            escapes += found
            start = numbers.stop
        else:
            escapes.append((state.value, "crash", f"exit code {process.exitcode}"))
            total["read"] += state.value - start  # of these only the number is known
            start = state.value + 1
    return total, escapes


def repeat(case: str, seed: int, keep: Path | None) -> int:
    """Run one case in this process and let everything through."""
    name, _, number = case.partition(":")
    root = Path(tempfile.mkdtemp(prefix="fuzz-"))
    reader = next((r for r in make_readers(root) if r.name == name), None)
    if reader is None:
        raise ValueError(f"--case {case}: no such reader")
    content = damaged(reader, seed, int(number))
    folder = root / "case" if keep is None else keep
    folder.mkdir(parents=True, exist_ok=True)
    print(content[:2000])
    print("refused:", run_case(reader, content, folder))
    return 0


def _be_quiet() -> None:
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libjpeg writes there, not sys.stderr


def _limit_memory() -> None:
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (in_use + MEMORY, in_use + MEMORY))


def _on_alarm(number: int, frame: object) -> None:
    raise Hang


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the cases; return 0, or 1 if anything escaped."""
    args = parse_arguments(argv)
    if args.case:
        return repeat(args.case, args.seed, args.keep)
    with tempfile.TemporaryDirectory() as folder:
        readers = [
            r
            for r in make_readers(Path(folder))
            if args.readers in (None, []) or r.name in args.readers
        ]
    whole = sum(reader.share for reader in readers)
    total, escaped = Counter[str](), 0
    for reader in readers:
        cases = -(-args.cases * reader.share // whole)
        counts, escapes = fuzz_reader(reader.name, cases, args.seed)
        total += counts
        escaped += len(escapes)
        print(
            f"{reader.name:18} {cases:7} cases {counts['read']:7} read "
            f"{counts['refused']:7} refused {len(escapes):5} escaped",
            flush=True,
        )
        kinds = Counter((kind, text[:60]) for _, kind, text in escapes)
        for (kind, text), count in kinds.most_common(SHOWN):
            first = next(n for n, k, t in escapes if (k, t[:60]) == (kind, text))
            print(f"    {count} x {kind}: {text!r}, first --case {reader.name}:{first}", flush=True)
    print(
        f"{sum(total.values()) + escaped} cases: {total['read']} read, "
        f"{total['refused']} refused, {escaped} escaped"
    )
    return 1 if escaped else 0


if __name__ == "__main__":
    raise SystemExit(main())
