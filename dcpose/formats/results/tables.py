"""Tidy tables: a row for each joint of each person in each frame, as CSV or parquet.

Columns: frame (from 0), time (seconds), id (of the person), joint, x, y (image pixels), score, and
probability where scores are calibrated. Frames without people have no row.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np

from dcpose.files.packages import require
from dcpose.files.writing import replacing, write_text
from dcpose.formats.results.video_results import VideoResults

DIGITS = 4
"""Decimals of coordinates and scores in CSV."""


def tidy_columns(results: VideoResults) -> dict[str, Any]:
    """Return the columns, each with P times J entries, a person's joints one after the other."""
    num_people, num_joints = results.joint_scores.shape
    columns: dict[str, Any] = {
        "frame": np.repeat(results.frame_numbers[results.frame_of], num_joints),
        "time": np.repeat(results.times[results.frame_of], num_joints),
        "id": np.repeat(results.track_ids, num_joints),
        "joint": list(results.joint_names) * num_people,
        "x": results.joints[..., 0].reshape(-1),
        "y": results.joints[..., 1].reshape(-1),
        "score": results.joint_scores.reshape(-1),
    }
    if results.probabilities is not None:
        columns["probability"] = results.probabilities.reshape(-1)
    return columns


def write_csv(results: VideoResults, path: Path) -> None:
    """Write the table as CSV, numbers with `DIGITS` decimals; the folder exists."""
    columns = tidy_columns(results)
    for name in ("time", "x", "y", "score", "probability"):
        if name in columns:
            decimals = 6 if name == "time" else DIGITS
            columns[name] = np.round(columns[name], decimals).tolist()
    # an unknown time is an empty cell
    columns["time"] = ["" if time != time else time for time in columns["time"]]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    write_text(path, text.getvalue())


def write_parquet(results: VideoResults, path: Path) -> None:
    """Write the table as parquet; the folder exists.

    Raises:
        ValueError: if pyarrow is not installed.
    """
    pyarrow = require("pyarrow", f"{path}: parquet")
    parquet = require("pyarrow.parquet", f"{path}: parquet")
    columns = tidy_columns(results)
    columns["joint"] = pyarrow.array(columns["joint"]).dictionary_encode()
    with replacing(path) as unfinished:
        parquet.write_table(pyarrow.table(columns), unfinished)
