"""Poses in a file of Neurodata Without Borders (NWB), as its extension ndx-pose lays them out.

In the processing module `behavior` there is a `PoseEstimation` for each identity, in it a series
for each joint with its own times, and the skeleton. sleap-io writes such files, too, but with a
frame rate cut to a whole number.
"""

from __future__ import annotations

import uuid
import warnings
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from dcpose.files.packages import require
from dcpose.files.writing import replacing
from dcpose.formats.results.video_results import VideoResults


def write_nwb(results: VideoResults, path: Path) -> None:
    """Write an NWB file. Its session starts now, as no video tells when it was taken.

    Raises:
        ValueError: if pynwb or ndx-pose is not installed, or the frames have no times.
    """
    pynwb = require("pynwb", f"{path}: files of NWB")
    ndx_pose = require("ndx_pose", f"{path}: files of NWB")
    if np.isnan(results.times).any():
        raise ValueError(f"{path}: NWB needs the times of frames, which {results.name} lacks")
    file = pynwb.NWBFile(
        session_description=f"poses of {results.name}",
        identifier=str(uuid.uuid4()),
        session_start_time=datetime.now(timezone.utc),
    )
    module = file.create_processing_module("behavior", "poses, in pixels of the video")
    skeleton = ndx_pose.Skeleton(
        name="skeleton", nodes=list(results.joint_names), edges=np.zeros((0, 2), np.uint8)
    )
    module.add(ndx_pose.Skeletons(skeletons=[skeleton]))
    for identity in np.unique(results.track_ids).tolist():
        rows = np.flatnonzero(results.track_ids == identity)
        times = results.times[results.frame_of[rows]]
        series = [
            ndx_pose.PoseEstimationSeries(
                name=name,
                data=results.joints[rows, joint],
                reference_frame="(0, 0) is the centre of the pixel at the top left",
                timestamps=times,
                confidence=results.joint_scores[rows, joint],
                confidence_definition="peak of the heatmap times the score of the box",
            )
            for joint, name in enumerate(results.joint_names)
        ]
        module.add(
            ndx_pose.PoseEstimation(
                name=f"id{identity}",
                description=f"whom the tracker calls {identity}",
                pose_estimation_series=series,
                source_software="dcpose",
                skeleton=skeleton,
            )
        )
    with replacing(path) as unfinished, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The file path provided")  # the name is not yet *.nwb
        with pynwb.NWBHDF5IO(str(unfinished), "w") as io:
            io.write(file)
