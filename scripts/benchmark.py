"""Measure speed and memory; every suite makes its own input and needs no download.

python scripts/benchmark.py --suite SUITE|all [--device cpu|cuda] [--out FOLDER] [--smoke]
python scripts/benchmark.py --suite agreement --run runs/EXPERIMENT/TIME

Prints tables, and writes them as FOLDER/<suite>_<device>.md and .json. The suites are in
scripts/benchmarks/; OMP_NUM_THREADS sets the threads.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.agreement import measure_agreement
from benchmarks.data import measure_data
from benchmarks.data_index import measure_data_index
from benchmarks.deform_conv import measure_deform_conv
from benchmarks.evaluator import measure_evaluator
from benchmarks.infer import measure_infer
from benchmarks.machine import describe_machine, describe_roofline, measure_roofline
from benchmarks.measure import Options, Suite
from benchmarks.memory import measure_memory
from benchmarks.network import measure_network, measure_others
from benchmarks.packaged import measure_packaged
from benchmarks.precision import measure_precision
from benchmarks.report import describe_results, write_results
from benchmarks.runtimes import measure_runtimes
from benchmarks.share_backbone import measure_share_backbone
from benchmarks.train import measure_train
from benchmarks.video import measure_video
from dcpose.cli import add_device, reports_user_errors
from dcpose.engine.devices import choose_device

SUITES: dict[str, Suite] = {
    "data": measure_data,
    "evaluator": measure_evaluator,
    "data_index": measure_data_index,
    "infer": measure_infer,
    "network": measure_network,
    "others": measure_others,
    "deform_conv": measure_deform_conv,
    "packaged": measure_packaged,
    "precision": measure_precision,
    "runtimes": measure_runtimes,
    "share_backbone": measure_share_backbone,
    "memory": measure_memory,
    "train": measure_train,
    "video": measure_video,
    "agreement": measure_agreement,
}


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run suites, print their tables, and write them where asked."""
    parser = argparse.ArgumentParser(description="measure speed and memory")
    parser.add_argument("--suite", choices=[*SUITES, "all"], required=True)
    add_device(parser)
    parser.add_argument("--runs", type=int, default=5, help="measured runs of each variant")
    parser.add_argument("--out", type=Path, help="folder for <suite>_<device>.md and .json")
    parser.add_argument("--run", type=Path, help="folder of a training run, for suite agreement")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, meaningless figures")
    arguments = parser.parse_args(argv)
    if arguments.runs < 1:
        raise ValueError(f"--runs must be at least 1, got {arguments.runs}")

    device = choose_device(arguments.device)
    roofline = measure_roofline(device, arguments.smoke)
    options = Options(device, roofline, arguments.smoke, arguments.runs, arguments.run)
    words = ["python", "scripts/benchmark.py", *(sys.argv[1:] if argv is None else argv)]
    command = shlex.join(words)
    machine = {**describe_machine(device), **describe_roofline(roofline)}
    names = [arguments.suite]
    if arguments.suite == "all":
        names = [name for name in SUITES if name != "agreement" or arguments.run]
    for name in names:
        tables = SUITES[name](options)
        print(f"## {name}\n\n{describe_results(command, machine, tables)}")
        if arguments.out is not None:
            file = f"{name}_{device.type}"
            write_results(arguments.out, file, command, machine, tables)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
