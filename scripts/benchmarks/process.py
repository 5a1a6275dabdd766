"""Time and memory of a whole process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence

# the kernel counts the memory of the process that starts another one towards the peak of the other,
# so a small process starts the measured one
_LAUNCHER = """
import json, resource, subprocess, sys, time
start = time.perf_counter()
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
seconds = time.perf_counter() - start
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss]))
sys.exit(code)
"""


def measure_command(command: Sequence[str]) -> tuple[float, float, float]:
    """Run a command on one thread.

    Args:
        command: program and arguments; its output is dropped, its stderr is shown.

    Returns:
        wall seconds, CPU seconds, peak memory in MB.

    Raises:
        subprocess.CalledProcessError: if the command fails.
    """
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    run = subprocess.run(  # noqa: S603 - our own commands
        [sys.executable, "-c", _LAUNCHER, *command],
        env={**os.environ, **dict.fromkeys(threads, "1")},
        stdout=subprocess.PIPE,
        check=True,
    )
    wall, cpu, peak = json.loads(run.stdout)
    bytes_per_unit = 1 if sys.platform == "darwin" else 1024
    return wall, cpu, peak * bytes_per_unit / 1e6
