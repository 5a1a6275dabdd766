"""Inference clips: every video is walked once, and every frame that is needed is decoded once."""

import contextlib
from collections import defaultdict, deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby, islice
from pathlib import Path

import numpy as np
import torch

from dcpose.data.clip import Clip, ClipOptions, choose_clip, usable_frames
from dcpose.data.crop import crop_matrix, visible_box, warp_frames
from dcpose.data.frames import check_frame_wh, frame_wh, read_frame
from dcpose.formats.posetrack.records import VideoAnnotation
from dcpose.geometry import invert_affine
from dcpose.structures import ClipBatch, ClipSample, PersonRecord

_View = tuple[PersonRecord, Clip, list[np.ndarray]]
"""A person, the clip, and its frames."""
_BATCHES_AHEAD = 2
"""Batches made while the network works on the current one."""


class ClipStream:
    """Batches of clips for all people of some videos.

    Batches fill across the frames of a video but never across videos, so what is in a batch does
    not depend on how videos are shared out over processes. Threads decode frames, a few ahead of
    where they are needed, and cut crops; only a window of frames is kept. One more thread stacks
    batches while the caller is busy with earlier ones. Errors reach the caller from `next`, and
    leaving the loop early ends the threads.

    Args:
        videos: annotated videos, in the order they are walked.
        people: people by video name; videos that are not in it have none.
        options: size of the crops, and which neighbours belong to a clip.
        batch_size: clips per batch; the last batch of each video may be smaller.
        workers: threads that decode and crop; 0 counts as 1.
        pin_memory: copy batches to page-locked memory, for CUDA.
        read: decodes a frame to (H, W, 3) uint8 RGB.

    Raises:
        FrameError: on construction, if a frame that a clip needs is not on disk; when iterating,
            if a frame cannot be decoded.
        ValueError: when iterating, if a box lies outside its image.
    """

    def __init__(
        self,
        videos: Sequence[VideoAnnotation],
        people: Mapping[str, Sequence[PersonRecord]],
        options: ClipOptions,
        batch_size: int,
        workers: int = 1,
        pin_memory: bool = False,
        read: Callable[[Path], np.ndarray] = read_frame,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        self.options = options
        self.batch_size = batch_size
        self.workers = max(workers, 1)
        self.pin_memory = pin_memory
        self.read = read
        self._videos = [
            (video, sorted(people[video.name], key=lambda person: person.frame))
            for video in videos
            if people.get(video.name)
        ]
        self._usable = {
            video.name: usable_frames(video, {person.frame for person in crowd}, options)
            for video, crowd in self._videos
        }

    def __len__(self) -> int:
        """Number of batches."""
        return sum(-(-len(crowd) // self.batch_size) for _, crowd in self._videos)

    @property
    def num_people(self) -> int:
        """Number of clips in all batches."""
        return sum(len(crowd) for _, crowd in self._videos)

    def __iter__(self) -> Iterator[ClipBatch]:
        """Walk all videos; people come in the order of videos and frames."""
        # one thread: a generator runs in one place at a time, and batches keep their order
        with contextlib.closing(self._batches()) as batches, ThreadPoolExecutor(1) as producer:
            pending = deque(producer.submit(next, batches, None) for _ in range(_BATCHES_AHEAD))
            try:
                while (batch := pending.popleft().result()) is not None:
                    pending.append(producer.submit(next, batches, None))
                    yield batch
            finally:
                producer.shutdown(wait=True, cancel_futures=True)

    def _batches(self) -> Generator[ClipBatch, None, None]:
        with ThreadPoolExecutor(self.workers) as pool:
            for video, crowd in self._videos:
                views = self._views(video, crowd, pool)
                for first in range(0, len(crowd), self.batch_size):
                    count = min(self.batch_size, len(crowd) - first)
                    yield self._batch(islice(views, count), count, pool)

    def _batch(self, views: Iterator[_View], count: int, pool: ThreadPoolExecutor) -> ClipBatch:
        """Cut people out, each straight into its row of the batch."""
        width, height = self.options.crop_wh
        shape = (count, self.options.num_frames, height, width, 3)
        if self.pin_memory:
            frames = torch.empty(shape, dtype=torch.uint8, pin_memory=True)
        else:
            # NumPy asks for huge pages: fresh memory costs a sixth of what torch's takes
            frames = torch.from_numpy(np.empty(shape, np.uint8))
        rows = frames.numpy()
        # a task per frame rather than per person: tasks cost, and a frame's pixels stay cached
        tasks, first = [], 0
        for _, group in groupby(views, key=lambda view: view[1]):
            crowd = list(group)
            out = rows[first : first + len(crowd)]
            tasks.append(pool.submit(self._cut, crowd, out))
            first += len(crowd)
        batch = ClipBatch.stack([sample for task in tasks for sample in task.result()], frames)
        return batch.pin_memory() if self.pin_memory else batch

    def _cut(self, views: Sequence[_View], out: np.ndarray) -> list[ClipSample]:
        return [cut_clip(*view, self.options, row) for view, row in zip(views, out, strict=True)]

    def _views(
        self, video: VideoAnnotation, crowd: Sequence[PersonRecord], pool: ThreadPoolExecutor
    ) -> Iterator[_View]:
        """Yield people in order, with the frames of their clips, once these are decoded."""
        by_frame: dict[int, list[PersonRecord]] = defaultdict(list)
        for person in crowd:
            by_frame[person.frame].append(person)
        usable = self._usable[video.name]
        clips = [choose_clip(frame, usable, self.options) for frame in by_frame]
        window = _FrameWindow(
            video,
            clips,
            decode=lambda path: pool.submit(self.read, path),
            max_ahead=2 * self.workers,
        )
        for clip in clips:
            frames = window.frames_of(clip)
            for person in by_frame[clip.cur]:
                yield person, clip, frames


def cut_clip(
    person: PersonRecord,
    clip: Clip,
    frames: Sequence[np.ndarray],
    options: ClipOptions,
    out: np.ndarray | None = None,
) -> ClipSample:
    """Cut a person out of the frames of a clip.

    Args:
        person: whose box to cut.
        clip: numbers of the frames, for the gaps.
        frames: (H, W, 3) uint8 RGB, as many as the clip has numbers.
        options: size of the crops.
        out: where to put the crops; see `warp_frames`.

    Raises:
        ValueError: if the box lies outside its image.
    """
    box = visible_box(person, frame_wh(frames[0]))
    matrix = crop_matrix(box, options.crop_wh, options.box_enlarge, affine=options.affine)
    return ClipSample(
        person=person,
        frames=warp_frames(frames, matrix, options.crop_wh, out),
        gaps=np.array(clip.gaps, np.float32),
        crop_to_image=invert_affine(matrix),
    )


class _FrameWindow:
    """The decoded frames around the current one, filled ahead by threads.

    Args:
        video: where the frames come from.
        clips: what will be asked for, in order of the current frame; frame numbers rise in each.
        decode: starts decoding the frame of a path in the background.
        max_ahead: how many frames past the current clip are decoded in advance.
    """

    def __init__(
        self,
        video: VideoAnnotation,
        clips: Sequence[Clip],
        decode: Callable[[Path], Future[np.ndarray]],
        max_ahead: int,
    ) -> None:
        self._video = video
        self._decode = decode
        self._max_ahead = max_ahead
        # the ends of the clips never step back from one clip to the next, so the order of first
        # use is also the order in which frames can be dropped
        self._queue = deque(sorted({number for clip in clips for number in clip.numbers}))
        self._frames: dict[int, Future[np.ndarray]] = {}
        self._first_wh: tuple[int, int] | None = None

    def frames_of(self, clip: Clip) -> list[np.ndarray]:
        """Return the frames of a clip, waiting for those still being decoded."""
        numbers = clip.numbers
        self._frames = {n: frame for n, frame in self._frames.items() if n >= numbers[0]}
        ahead = sum(number > numbers[-1] for number in self._frames)
        while self._queue and (self._queue[0] <= numbers[-1] or ahead < self._max_ahead):
            number = self._queue.popleft()
            ahead += number > numbers[-1]
            self._frames[number] = self._decode(self._video.frame_path(number))
        frames = [self._frames[number].result() for number in numbers]
        for number, frame in zip(numbers, frames, strict=True):
            expected_wh = self._video.expected_wh(number)
            if expected_wh is None:  # then all frames are like the first
                expected_wh = self._first_wh = self._first_wh or frame_wh(frame)
            check_frame_wh(self._video.frame_path(number), frame, expected_wh)
        return frames


def shard_videos(
    videos: Sequence[VideoAnnotation],
    people: Mapping[str, Sequence[PersonRecord]],
    rank: int,
    world_size: int,
) -> list[VideoAnnotation]:
    """Return the videos that one of several processes works on, in their order.

    Whole videos are shared out, the fullest first, each to the process with the fewest people so
    far. Every process computes the same shares.
    """
    load = [0] * world_size
    mine = set()
    for video in sorted(videos, key=lambda video: (-len(people.get(video.name, ())), video.name)):
        owner = load.index(min(load))
        load[owner] += len(people.get(video.name, ())) + 1
        if owner == rank:
            mine.add(video.name)
    return [video for video in videos if video.name in mine]
