"""Draw the poses of a file into a copy of the video they were found in, or into a page with it."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import fields
from itertools import islice
from pathlib import Path

import numpy as np

from dcpose.engine.run.progress import with_progress
from dcpose.estimator.frame_result import FrameResult, People
from dcpose.estimator.html_page import HtmlPage
from dcpose.formats.posetrack.predictions import JointScore
from dcpose.formats.results.video_results import VideoResults, read_results
from dcpose.jobs.infer import draw_result
from dcpose.skeleton import Skeleton
from dcpose.video.source import FrameSource
from dcpose.video.writer import VideoWriter


def draw_results(
    json_file: Path,
    source: FrameSource,
    video: Path | None,
    skeleton: Skeleton,
    joint_score: JointScore,
    complete: bool = True,
    page: Path | None = None,
) -> None:
    """Write a video and a page with the poses of a file, in one more pass over the frames.

    Args:
        json_file: what `tools/infer.py` wrote for the source.
        source: frames that can be read again: no camera.
        video: file to write or replace; None writes none.
        skeleton: joints of the file.
        joint_score: how the file scores joints; see `write_predictions`.
        complete: whether the file has all frames of the source.
        page: an `HtmlPage` to write or replace; None writes none.

    Raises:
        VideoError: if the frames of the file cannot be read again.
        ValueError: if the file is malformed.
    """
    results = read_results(json_file)
    rows = with_progress(
        _frames(results, source, skeleton, joint_score), "draw", results.num_frames
    )
    with (
        nullcontext() if video is None else VideoWriter(video, source) as film,
        nullcontext() if page is None else HtmlPage(page, source, skeleton) as html_page,
    ):
        for result in rows:
            if film is not None:
                film.write(draw_result(result), result.ticks, result.duration)
            if html_page is not None:
                html_page.write(result)
        for written in (film, html_page):
            if written is not None:
                written.close(complete=complete)


def _frames(
    results: VideoResults, source: FrameSource, skeleton: Skeleton, joint_score: JointScore
) -> Iterator[FrameResult]:
    """Yield the frames that the file lists, with their people."""
    place = {number: frame for frame, number in enumerate(results.frame_numbers.tolist())}
    scores = results.joint_scores
    if joint_score == "heatmap_times_box":
        # people are drawn by the heatmap alone
        scores = scores / np.maximum(results.box_scores, 1e-9)[:, None]
    # no further: there the source may break off, which was said when the file was made
    for frame in islice(source, results.num_frames):
        own = results.people_of_frame(place[frame.index])
        rows = slice(own.start, own.stop)
        arrays = {field.name: getattr(results, field.name)[rows] for field in fields(People)}
        people = People(**{**arrays, "joint_scores": scores[rows]})
        time = float(frame.ticks * source.time_base)
        yield FrameResult(
            frame.index, time, frame.image, people, skeleton, frame.ticks, frame.duration
        )
