"""Tables of DeepLabCut, and SLEAP files through sleap-io: a place for each identity.

These forms have room for every identity in every frame. People without ids that last are one
identity for each place in a frame; give them ids with --track.
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

SCORER = "dcpose"


def write_deeplabcut(results: VideoResults, path: Path) -> None:
    """Write a table as DeepLabCut does for the poses of a video: x, y, likelihood of each joint.

    A row for each frame; with more than one identity there is a header row `individuals`. Cells of
    who is not there are empty.
    """
    head, values = _deeplabcut_table(results)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([title, *names] for title, names in head.items())
    rows = values.round(4).tolist()
    for number, row in zip(results.frame_numbers.tolist(), rows, strict=True):
        writer.writerow([number, *("" if value != value else value for value in row)])
    write_text(path, text.getvalue())


def write_deeplabcut_h5(results: VideoResults, path: Path) -> None:
    """Write the same table as an HDF5 file of pandas, which DeepLabCut itself reads.

    Raises:
        ValueError: if pandas or PyTables are not installed.
    """
    pandas = require("pandas", f"{path}: tables of DeepLabCut in HDF5")
    require("tables", f"{path}: tables of DeepLabCut in HDF5")
    head, values = _deeplabcut_table(results)
    # pandas' own type of text, which it has since 3.0, is unknown to its older releases
    levels = [np.array(names, dtype=object) for names in head.values()]
    columns = pandas.MultiIndex.from_arrays(levels, names=list(head))
    table = pandas.DataFrame(values, index=results.frame_numbers, columns=columns)
    with replacing(path) as unfinished:
        table.to_hdf(unfinished, key="df_with_missing", mode="w", format="table")


def _deeplabcut_table(results: VideoResults) -> tuple[dict[str, list[str]], np.ndarray]:
    """Return the rows of the header by title, and a value per frame and column, NaN for nobody."""
    identities = sorted(set(results.track_ids.tolist())) or [0]
    num_joints = len(results.joint_names)
    values = np.full((results.num_frames, len(identities), num_joints, 3), np.nan)
    places = np.searchsorted(identities, results.track_ids)
    values[results.frame_of, places, :, :2] = results.joints
    values[results.frame_of, places, :, 2] = results.joint_scores
    names = [f"id{identity}" for identity in identities]
    columns = 3 * num_joints
    head = {"scorer": [SCORER] * (columns * len(names))}
    if len(names) > 1:
        head["individuals"] = [name for name in names for _ in range(columns)]
    head["bodyparts"] = [name for name in results.joint_names for _ in range(3)] * len(names)
    head["coords"] = ["x", "y", "likelihood"] * (num_joints * len(names))
    return head, values.reshape(results.num_frames, -1)


def write_sleap(results: VideoResults, path: Path, video: Path | None = None) -> None:
    """Write a SLEAP file, `.slp`.

    Args:
        results: the poses.
        path: file to write.
        video: what SLEAP is to show them on; None names one that has to be found.

    Raises:
        ValueError: if sleap-io is not installed.
    """
    sleap_io = require("sleap_io", f"{path}: writing files of SLEAP")
    sleap_io.save_slp(_sleap_labels(sleap_io, results, video), str(path))


def _sleap_labels(sleap_io: Any, results: VideoResults, video: Path | None) -> Any:  # noqa: ANN401
    """Return `sleap_io.Labels` with a predicted instance for each person."""
    skeleton = sleap_io.Skeleton(list(results.joint_names), name=SCORER)
    name = f"{results.name}.mp4" if video is None else str(video)
    source = sleap_io.Video(filename=name, open_backend=False)
    tracks = {i: sleap_io.Track(f"id{i}") for i in sorted(set(results.track_ids.tolist()))}
    frames = []
    for frame, number in enumerate(results.frame_numbers.tolist()):
        people = results.people_of_frame(frame)
        if not people:
            continue
        instances = [
            sleap_io.PredictedInstance.from_numpy(
                results.joints[person],
                skeleton=skeleton,
                point_scores=results.joint_scores[person],
                score=float(results.joint_scores[person].mean()),
                track=tracks[int(results.track_ids[person])],
            )
            for person in people
        ]
        frames.append(sleap_io.LabeledFrame(video=source, frame_idx=number, instances=instances))
    return sleap_io.Labels(
        frames, videos=[source], skeletons=[skeleton], tracks=list(tracks.values())
    )
