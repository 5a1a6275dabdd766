"""Suite evaluator: scripts/evaluate_ap.py as a whole process, its time and its memory."""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.evaluation_set import SetSize, write_evaluation_set
from benchmarks.measure import Options, Table
from benchmarks.process import measure_command

SCRIPT = Path(__file__).resolve().parents[1] / "evaluate_ap.py"


def measure_evaluator(options: Options) -> list[Table]:
    """Measure scripts/evaluate_ap.py on a set of the size of PoseTrack18 val, on one thread."""
    size = SetSize(2, 5) if options.smoke else SetSize()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_evaluation_set(folder, size)
        megabytes = sum(path.stat().st_size for path in folder.rglob("*.json")) / 1e6
        command = [
            sys.executable, str(SCRIPT),
            "--annotations", str(folder / "annotations"),
            "--predictions", str(folder / "predictions"),
        ]  # fmt: skip
        runs = [measure_command(command) for _ in range(options.runs)]
    row = {
        "what": "evaluate_ap, start of Python included",
        "seconds": statistics.median(wall for wall, _, _ in runs),
        "cpu_seconds": statistics.median(cpu for _, cpu, _ in runs),
        "peak_memory_mb": max(memory for _, _, memory in runs),
        "runs": options.runs,
    }
    title = f"{size.videos} videos, {size.frames} frames, {megabytes:.0f} MB of JSON, 1 thread"
    return [Table(title, [row])]
