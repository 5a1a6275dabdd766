"""A predictions file that grows with its video, in little memory."""

import contextlib
import json
import shutil
import tempfile
from pathlib import Path

from dcpose.estimator.frame_result import FrameResult
from dcpose.evaluation.calibration import Calibration
from dcpose.files.writing import naming, replacing
from dcpose.formats.posetrack.predictions import JointScore, compact
from dcpose.skeleton import Skeleton

_INFO = '{"info":'
"""How the file begins, so that a long one need not be read to know its source."""


class PoseTrackFile:
    """Writes the people of one video in the 2018 form, frame by frame.

    The file appears under its name when the writer is closed, whole and valid however many frames
    it got; until then it has another name in the same folder. Every frame is listed, also where
    nobody is. Images are `{id, file_name, time, width, height}`; ids and times are those of the
    frames.

    Args:
        path: file to write or replace; its folder exists.
        skeleton: names of the joints.
        joint_score: see `write_predictions`.
        origin: where the frames come from; written as `info.source`; None leaves it out.
        calibration: from scores, as they are written, to `probabilities`; None writes none.
    """

    def __init__(
        self,
        path: Path,
        skeleton: Skeleton,
        joint_score: JointScore = "heatmap_times_box",
        origin: str | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        self.path = path
        self.num_frames = self.num_people = 0
        self._joint_score = joint_score
        self._calibration = calibration
        category = {"id": 1, "name": "person", "keypoints": list(skeleton.joint_names)}
        with contextlib.ExitStack() as stack:
            self._unfinished = stack.enter_context(replacing(path))
            self._file = stack.enter_context(self._unfinished.open("w", encoding="utf-8"))
            self._finish = stack.pop_all()
        # the images come last in the file; until then they wait on disk, too
        self._images = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115
        info = "{" if origin is None else f"{_INFO}{compact({'source': origin})},"
        self._file.write(f'{info}"categories":{compact([category])},"annotations":[')

    def __enter__(self) -> "PoseTrackFile":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def write(self, result: FrameResult, file_name: str) -> None:
        """Add a frame.

        Args:
            result: its people.
            file_name: what the file calls its image.

        Raises:
            ValueError: if a joint is not finite.
            WriteError: if the disk is full.
        """
        entries = result.to_posetrack(first_id=self.num_people + 1, joint_score=self._joint_score)
        if self._calibration is not None:
            for entry in entries:
                entry["probabilities"] = self._calibration(entry["scores"]).tolist()
        height, width = result.image.shape[:2]
        image = {
            "id": result.index,
            "file_name": file_name,
            "time": round(result.time, 6),
            "width": width,
            "height": height,
        }
        with naming(self.path, self._unfinished):
            for number, entry in enumerate(entries, start=self.num_people):
                self._file.write(("," if number else "") + compact(entry))
            self._images.write(("," if self.num_frames else "") + compact(image))
        self.num_people += len(entries)
        self.num_frames += 1

    def close(self) -> None:
        """Finish the file; a second call does nothing."""
        if self._file.closed:
            return
        with self._finish, self._images:
            self._file.write('],"images":[')
            self._images.seek(0)
            shutil.copyfileobj(self._images, self._file)
            self._file.write("]}")


def read_origin(path: Path) -> str | None:
    """Return the source of the poses in a file; None if it is not one of ours."""
    with path.open(encoding="utf-8", errors="replace") as file:
        start = file.read(4096)
    if not start.startswith(_INFO):
        return None
    try:
        info, _ = json.JSONDecoder().raw_decode(start, len(_INFO))
    except ValueError:
        return None
    return info.get("source") if isinstance(info, dict) else None
