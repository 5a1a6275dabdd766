"""Suite data_index: reading a data set, and checking it cold and from the cache."""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.evaluation_set import SetSize, write_evaluation_set, write_frames
from benchmarks.measure import Options, Table
from dcpose.check.layout import SplitFiles
from dcpose.check.run import CheckOptions, check_data_set
from dcpose.data.frame_file import inspect_frame
from dcpose.data.frames import read_frame
from dcpose.formats.posetrack.records import read_annotations


def measure_data_index(options: Options) -> list[Table]:
    """Measure indexing and checking a set of the size of PoseTrack18 val."""
    size = SetSize(2, 5) if options.smoke else SetSize()
    with tempfile.TemporaryDirectory() as temporary:
        root, cache = Path(temporary) / "set", Path(temporary) / "cache"
        write_evaluation_set(root, size)
        write_frames(root)
        splits = [SplitFiles("val", root / "annotations")]
        frames = sorted((root / "images").rglob("*.jpg"))

        def index() -> object:
            return read_annotations(root / "annotations", root)

        def check() -> object:
            return check_data_set(root, splits, CheckOptions(), cache)

        tasks: list[tuple[str, Callable[[], object], bool]] = [
            ("index: annotations to records", index, False),
            ("check_dataset", check, True),
            ("check_dataset from the cache", check, False),
            ("headers and ends of all frames", lambda: _each(inspect_frame, frames), False),
            ("all frames read, for comparison", lambda: _each(Path.read_bytes, frames), False),
            ("500 frames decoded, for comparison", lambda: _each(read_frame, frames[:500]), False),
        ]
        rows = [
            {
                "what": what,
                "seconds": statistics.median(
                    _seconds(task, cache if cold else None) for _ in range(options.runs)
                ),
                "runs": options.runs,
            }
            for what, task, cold in tasks
        ]
    return [Table(f"{size.videos} videos, {len(frames)} frames on disk", rows)]


def _each(look: Callable[[Path], object], paths: Sequence[Path]) -> None:
    for path in paths:
        look(path)


def _seconds(task: Callable[[], object], cache_to_clear: Path | None) -> float:
    if cache_to_clear is not None and cache_to_clear.is_dir():
        shutil.rmtree(cache_to_clear)
    start = time.perf_counter()
    task()
    return time.perf_counter() - start
