"""From the frames of a running video to the poses of its people, frame by frame.

Crops, network and decoding are those of val and test (`cut_clip`, `engine.inference.predict`); what
is new here is where boxes come from, and that nothing is known of the frames to come.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

import numpy as np

from dcpose.data.clip import ClipOptions
from dcpose.data.frames import frame_wh
from dcpose.data.live import LiveClip, live_clips
from dcpose.data.stream import cut_clip
from dcpose.detection.detectors import PersonDetector
from dcpose.estimator.frame_result import NOT_TRACKED, FrameResult, People
from dcpose.estimator.stopwatch import Stopwatch
from dcpose.evaluation.oks import suppress_duplicates
from dcpose.formats.posetrack.records import unusable_box
from dcpose.geometry import clip_to_image
from dcpose.iteration import groups_of
from dcpose.skeleton import Skeleton
from dcpose.structures import ClipBatch, PersonRecord, PosePrediction
from dcpose.tracking.smoothing import PoseSmoother
from dcpose.tracking.tracker import PoseTracker
from dcpose.video.source import VideoFrame


@dataclass(frozen=True, eq=False)
class Boxes:
    """Person boxes of one frame.

    Attributes:
        xywh: (N, 4) left, top, width, height in image pixels.
        scores: (N,).
        annotated: drawn by people, and so cut to the image before cropping; detected ones are
            not, as the published networks were trained and evaluated.
    """

    xywh: np.ndarray
    scores: np.ndarray
    annotated: bool = False


BoxesOf = Callable[[VideoFrame], Boxes | None]
"""Boxes of a frame; None where a detector has to look."""


@dataclass(frozen=True)
class TrackingOptions:
    """How a video is gone through.

    Attributes:
        track: give people ids that last.
        smooth: steady the joints of each id (One-Euro filter); gives ids, too.
        detect_every: frames from one use of the detector to the next; between them the tracker
            carries the boxes.
        frames_at_once: frames whose people make one batch; more are faster and later.

    Raises:
        ValueError: if a value is out of its range.
    """

    track: bool = False
    smooth: bool = False
    detect_every: int = 1
    frames_at_once: int = 1

    def __post_init__(self) -> None:
        if self.detect_every < 1 or self.frames_at_once < 1:
            raise ValueError(
                f"detect_every and frames_at_once must be at least 1, got {self.detect_every} and "
                f"{self.frames_at_once}"
            )
        if self.detect_every > 1 and self.frames_at_once > 1:
            raise ValueError(
                "detect_every carries boxes from frame to frame, so frames go one by one: set "
                f"frames_at_once=1, got {self.frames_at_once}"
            )


@dataclass(eq=False)
class LivePoses:
    """Finds the poses of running videos.

    Attributes:
        predict: clips to poses, in order; `build.build_predictor`.
        options: the clips that the network sees.
        skeleton: of the J joints.
        batch_size: most clips in one pass of the network.
        oks_nms: drop poses that resemble a better one more than this OKS; None drops none.
        make_detector: makes what finds people where no boxes are given; called once, if at all.
        stopwatch: takes the time of each stage.
    """

    predict: Callable[[Iterable[ClipBatch]], Iterator[PosePrediction]]
    options: ClipOptions
    skeleton: Skeleton
    batch_size: int
    oks_nms: float | None
    make_detector: Callable[[], PersonDetector]
    stopwatch: Stopwatch

    @cached_property
    def _detector(self) -> PersonDetector:
        return self.make_detector()

    def run(
        self,
        frames: Iterable[VideoFrame],
        time_base: Fraction,
        boxes_of: BoxesOf | None = None,
        tracking: TrackingOptions | None = None,
    ) -> Iterator[FrameResult]:
        """Yield the people of each frame, in order.

        Args:
            frames: of one video; an error that they raise comes after the results of all frames
                before it.
            time_base: seconds per tick of their times.
            boxes_of: person boxes; None detects them.
            tracking: ids, and how often the detector looks.

        Raises:
            ValueError: if an annotated box lies outside its image, or boxes cannot be had.
        """
        tracking = tracking or TrackingOptions()
        follows = tracking.track or tracking.smooth or tracking.detect_every > 1
        tracker = PoseTracker(self.skeleton) if follows else None
        smoother = PoseSmoother() if tracking.smooth else None
        waiting: deque[VideoFrame] = deque()
        clips = live_clips(self._images(frames, waiting), self.options)
        for chunk in groups_of(clips, tracking.frames_at_once, finish_before_error=True):
            group = [waiting.popleft() for _ in chunk]
            boxes = [self._boxes(frame, boxes_of, tracking, tracker) for frame in group]
            for frame, people in zip(group, self._people(group, chunk, boxes), strict=True):
                time = float(frame.ticks * time_base)
                if tracker is not None:
                    people = self._followed(tracker, smoother, frame.index, time, people)
                yield FrameResult(
                    frame.index,
                    time,
                    frame.image,
                    people,
                    self.skeleton,
                    frame.ticks,
                    frame.duration,
                )

    def _images(
        self, frames: Iterable[VideoFrame], waiting: deque[VideoFrame]
    ) -> Iterator[np.ndarray]:
        for frame in self.stopwatch.measure_items("decode", frames):
            waiting.append(frame)
            yield frame.image

    def _boxes(
        self,
        frame: VideoFrame,
        boxes_of: BoxesOf | None,
        tracking: TrackingOptions,
        tracker: PoseTracker | None,
    ) -> Boxes:
        if boxes_of is not None and (given := boxes_of(frame)) is not None:
            return given
        if tracker is not None and frame.index % tracking.detect_every:
            return _usable(Boxes(*tracker.predict_boxes(frame.index)), frame)
        detector = self._detector  # loading it is no part of detecting
        with self.stopwatch.measure("detect"):
            return _usable(Boxes(*detector(frame.image)), frame)

    def _people(
        self, frames: Sequence[VideoFrame], clips: Sequence[LiveClip], boxes: Sequence[Boxes]
    ) -> Iterator[People]:
        """Yield the people of each of some frames, which go through the network together."""
        with self.stopwatch.measure("crop"):
            samples = [
                cut_clip(person, clip.clip, clip.frames, self.options)
                for frame, clip, found in zip(frames, clips, boxes, strict=True)
                for person in _records(frame, found)
            ]
        with self.stopwatch.measure("network"):
            starts = range(0, len(samples), self.batch_size)
            batches = (
                ClipBatch.stack(samples[start : start + self.batch_size]) for start in starts
            )
            poses = iter(list(self.predict(batches)))
        for found in boxes:
            # boxes go out as they came in, also where they were cut to the image
            here = [
                replace(pose, person=replace(pose.person, box_xywh=box))
                for box, pose in zip(found.xywh, poses, strict=False)
            ]
            if self.oks_nms is not None and here:
                here = suppress_duplicates(here, self.oks_nms, self.skeleton)
            yield _as_arrays(here, self.skeleton.num_joints)

    def _followed(
        self,
        tracker: PoseTracker,
        smoother: PoseSmoother | None,
        index: int,
        time: float,
        people: People,
    ) -> People:
        """Give people ids, from their joints as found, and then steady the joints."""
        boxes, joints = people.boxes_xywh, people.joints
        with self.stopwatch.measure("track"):
            track_ids = tracker.update(index, boxes, people.box_scores, joints, people.joint_scores)
            if smoother is not None:
                joints = smoother.update(time, track_ids, boxes, joints)
        return replace(people, track_ids=track_ids, joints=joints)


def _usable(boxes: Boxes, frame: VideoFrame) -> Boxes:
    """Leave out boxes that have no area, or lie outside the frame."""
    wh = frame_wh(frame.image)
    kept = [row for row, box in enumerate(boxes.xywh) if unusable_box(box, wh) is None]
    return replace(boxes, xywh=boxes.xywh[kept].reshape(-1, 4), scores=boxes.scores[kept])


def _records(frame: VideoFrame, boxes: Boxes) -> Iterator[PersonRecord]:
    wh = frame_wh(frame.image)
    for box, score in zip(boxes.xywh, boxes.scores, strict=True):
        crop_box = clip_to_image(box, wh) if boxes.annotated else box
        if not np.isfinite(box).all() or unusable_box(box, wh) or min(crop_box[2:]) <= 0:
            raise ValueError(
                f"frame {frame.index}: box {np.round(box, 1).tolist()} (left, top, width, height) "
                f"has no part in its {wh[0]}x{wh[1]} image; leave it out"
            )
        yield PersonRecord("", frame.index, frame.index, crop_box, float(score))


def _as_arrays(poses: Sequence[PosePrediction], num_joints: int) -> People:
    count = len(poses)
    return People(
        boxes_xywh=np.array([p.person.box_xywh for p in poses], np.float64).reshape(-1, 4),
        box_scores=np.array([p.person.box_score for p in poses], np.float64),
        track_ids=np.full(count, NOT_TRACKED),
        joints=np.array([p.joints for p in poses], np.float64).reshape(-1, num_joints, 2),
        joint_scores=np.array([p.heatmap_scores for p in poses]).reshape(-1, num_joints),
    )
