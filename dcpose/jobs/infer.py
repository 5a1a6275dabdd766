"""What tools/infer.py does: from a video to a file of poses and a video with the poses drawn."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dcpose.engine.faults.interruption import Interrupted, StopRequest
from dcpose.engine.run.progress import with_progress
from dcpose.estimator.frame_result import FrameResult
from dcpose.estimator.html_page import HtmlPage
from dcpose.estimator.html_page import read_origin as read_origin_of_page
from dcpose.estimator.posetrack_file import PoseTrackFile, read_origin
from dcpose.estimator.stopwatch import Stopwatch
from dcpose.evaluation.calibration import Calibration
from dcpose.formats.posetrack.predictions import JointScore
from dcpose.skeleton import Skeleton
from dcpose.video.source import FrameSource, VideoError, keep_source
from dcpose.video.writer import VideoWriter
from dcpose.video.writer import read_origin as read_origin_of_video
from dcpose.visualize.people import draw_people

_READ_ORIGIN = {
    ".json": read_origin,
    ".mp4": read_origin_of_video,
    ".html": read_origin_of_page,
}


@dataclass(frozen=True)
class Outcome:
    """What came out of a video.

    Attributes:
        num_frames: frames written.
        num_people: people in all of them.
        seconds: how long it took, without loading the network.
        files: what was written.
        stopped_by: why it ended before its end: an error of the source, or a signal.
        delay_s: seconds from the arrival of a frame to its result, the median; None of files.
    """

    num_frames: int
    num_people: int
    seconds: float
    files: tuple[Path, ...]
    stopped_by: VideoError | Interrupted | None
    delay_s: float | None = None

    def line(self, name: str) -> str:
        """Return the line of speed."""
        rate = self.num_frames / max(self.seconds, 1e-9)
        return (
            f"{name}: {self.num_frames} frames, {self.num_people} people in {self.seconds:.1f} s "
            f"({rate:.1f} frames/s)"
        )

    def delay_line(self, ahead: int) -> str:
        """Return the line of delay; `ahead` is how many frames after its own a pose waits for."""
        interval = self.seconds / max(self.num_frames, 1)
        work = max((self.delay_s or 0.0) - ahead * interval, 0.0)
        return (
            f"delay: {ahead} frame{'s' * (ahead != 1)} ({1000 * ahead * interval:.0f} ms) + "
            f"{1000 * work:.0f} ms"
        )


def draw_result(result: FrameResult) -> np.ndarray:
    """Return the frame with boxes, ids and skeletons, (H, W, 3) uint8 RGB."""
    people = result.people
    return draw_people(
        result.image,
        people.boxes_xywh,
        people.track_ids,
        people.joints,
        people.joint_scores,
        result.skeleton,
    )


def infer(
    source: FrameSource,
    results: Iterable[FrameResult],
    json_file: Path,
    skeleton: Skeleton,
    joint_score: JointScore,
    stopwatch: Stopwatch,
    video_file: Path | None = None,
    page_file: Path | None = None,
    later: Sequence[Path] = (),
    calibration: Calibration | None = None,
    age: Callable[[float], float] | None = None,
) -> Outcome:
    """Write the poses of a video, and on request a video with them drawn, and an `HtmlPage`.

    All hold what was done so far if the source breaks off or the user interrupts.

    Args:
        source: what a video that plays like it needs.
        results: one for each of its frames, in order.
        json_file: file for the poses; its folder is made, and holds the other files too.
        skeleton: names of the joints.
        joint_score: see `write_predictions`.
        stopwatch: takes the time of drawing and encoding.
        video_file: mp4 to write; None writes none.
        page_file: page to write; None writes none.
        later: files that will be written afterwards, which may not replace what was made from
            another source either.
        calibration: makes `probabilities` of scores; None writes none.
        age: of live sources, from the time of a frame to the seconds since it arrived.

    Raises:
        ValueError: if a file would replace the source, or what was made from another one.
    """
    json_file.parent.mkdir(parents=True, exist_ok=True)
    files = [path for path in (json_file, video_file, page_file) if path is not None]
    _keep_others(source, [*files, *later])
    stopped_by: VideoError | Interrupted | None = None
    ages: list[float] = []
    with (
        StopRequest("the frame") as stop,
        PoseTrackFile(json_file, skeleton, joint_score, source.origin, calibration) as poses,
        nullcontext() if video_file is None else VideoWriter(video_file, source) as video,
        nullcontext() if page_file is None else HtmlPage(page_file, source, skeleton) as page,
    ):
        try:
            with stop.nothing_to_finish():
                for result in with_progress(results, source.name, source.num_frames):
                    with stop.held():
                        poses.write(result, source.file_name(result.index))
                        if video is not None:
                            with stopwatch.measure("draw"):
                                picture = draw_result(result)
                            with stopwatch.measure("encode"):
                                video.write(picture, result.ticks, result.duration)
                        if page is not None:
                            with stopwatch.measure("page"):
                                page.write(result)
                        if age is not None:
                            ages.append(age(result.time))
        except (VideoError, Interrupted) as error:
            stopped_by = error
        seconds = stopwatch.elapsed
        poses.close()
        for written in (video, page):
            if written is not None:
                written.close(complete=stopped_by is None)
    return Outcome(
        poses.num_frames,
        poses.num_people,
        seconds,
        tuple(path for path in files if path.exists()),
        stopped_by,
        statistics.median(ages) if ages else None,
    )


def _keep_others(source: FrameSource, files: Sequence[Path]) -> None:
    """Refuse to replace the source, and what was not made from it."""
    for path in files:
        if not path.exists():
            continue
        keep_source(source, path)
        origin = _READ_ORIGIN[path.suffix](path)
        if origin != source.origin:
            raise ValueError(
                f"{path}: is there already, from {origin or 'something else'}, and would be "
                f"replaced by that from {source.origin}; choose another --out or move it away"
            )
