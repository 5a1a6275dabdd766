"""Training samples: one person, the frames of a clip, one matrix."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np
from torch.utils.data import Dataset

from dcpose.data.appearance import change_appearance
from dcpose.data.augment import NO_CHANGES, Augmentation, random_view
from dcpose.data.clip import Clip, ClipOptions, choose_clip, usable_frames
from dcpose.data.crop import visible_box, warp_frames
from dcpose.data.cutoff import random_cut
from dcpose.data.frames import check_frame_wh, frame_wh, read_frame
from dcpose.formats.posetrack.records import VideoAnnotation, training_people
from dcpose.geometry import invert_affine
from dcpose.skeleton import POSETRACK, Skeleton
from dcpose.structures import ClipSample, PersonRecord


class PoseTrackClips(Dataset[ClipSample]):
    """Labelled clips of all people of a training set.

    Sample (epoch, i) depends on `seed`, `epoch` and `i` alone: not on the order of access, the
    number of workers or any global random state. Its crop of the current frame does not depend on
    which neighbours the options allow either.

    Args:
        videos: annotated videos; people without a labelled joint are left out and counted.
        options: size of the crops, and which neighbours belong to a clip.
        augmentation: random changes of the view; None shows every box as it is.
        seed: seeds neighbours and augmentation, >= 0.
        draws: sets of neighbours and views that are drawn; epoch e has those of e modulo this.
            None draws anew in every epoch.
        skeleton: joint order of the records.
        read: decodes a frame to (H, W, 3) uint8 RGB.

    Raises:
        FrameError: if a frame that a clip needs is not on disk.
        ValueError: if no person has a labelled joint, or the seed is negative.
    """

    def __init__(
        self,
        videos: Sequence[VideoAnnotation],
        options: ClipOptions,
        augmentation: Augmentation | None,
        seed: int,
        skeleton: Skeleton = POSETRACK,
        draws: int | None = None,
        read: Callable[[Path], np.ndarray] = read_frame,
    ) -> None:
        if seed < 0:
            raise ValueError(f"seed must be >= 0, got {seed}")
        self.people = training_people(videos)
        if not self.people:
            sources = ", ".join(sorted({str(video.source.parent) for video in videos}))
            raise ValueError(f"no person with a labelled joint in {sources or 'no videos'}")
        self.options = options
        self.augmentation = augmentation or NO_CHANGES
        self.seed = seed
        self.skeleton = skeleton
        self.draws = draws
        self.read = read
        self._videos = {video.name: video for video in videos}
        needed: dict[str, set[int]] = {video.name: set() for video in videos}
        for person in self.people:
            needed[person.video].add(person.frame)
        self._usable = {
            name: usable_frames(self._videos[name], frames, options)
            for name, frames in needed.items()
        }

    def __len__(self) -> int:
        """Number of people."""
        return len(self.people)

    def frame_paths(self) -> Iterator[Path]:
        """Yield every frame that a clip may need, once, in order."""
        for name, usable in self._usable.items():
            for number in sorted(usable):
                yield self._videos[name].frame_path(number)

    def __getitem__(self, key: int | tuple[int, int]) -> ClipSample:
        """Return the sample of person i, for key i (epoch 0) or (epoch, i)."""
        return self.__getitems__([key])[0]

    def __getitems__(self, keys: Sequence[int | tuple[int, int]]) -> list[ClipSample]:
        """Return the samples of a batch; a frame that several of them need is decoded once."""
        plans = [self._plan(key) for key in keys]
        uses = Counter(path for plan in plans for path in plan.paths)
        frames: dict[Path, np.ndarray] = {}
        samples: dict[int, ClipSample] = {}
        # along the videos, so that few frames are held at a time
        for place in sorted(range(len(plans)), key=lambda place: plans[place].position):
            plan = plans[place]
            for path in plan.paths:
                if path not in frames:
                    frames[path] = self.read(path)
            samples[place] = self._sample(plan, frames)
            uses.subtract(plan.paths)
            for path in plan.paths:
                if not uses[path]:
                    del frames[path]
        return [samples[place] for place in range(len(plans))]

    def _plan(self, key: int | tuple[int, int]) -> "_Plan":
        epoch, index = key if isinstance(key, tuple) else (0, key)
        if not 0 <= index < len(self.people):
            raise IndexError(f"sample {index} of {len(self.people)}")
        person = self.people[index]
        video = self._videos[person.video]
        draw = epoch if self.draws is None else epoch % self.draws
        rng = np.random.default_rng([self.seed, draw, index])
        # neighbours have a stream of their own: the view is the same whatever is drawn for them
        neighbor_rng = rng.spawn(1)[0]
        clip = choose_clip(person.frame, self._usable[video.name], self.options, neighbor_rng)
        return _Plan(person, video, clip, rng)

    def _sample(self, plan: "_Plan", frames: Mapping[Path, np.ndarray]) -> ClipSample:
        """Cut out a clip, whose frames must all have the size of the video."""
        person, options, augmentation = plan.person, self.options, self.augmentation
        expected_wh = plan.video.expected_wh(plan.clip.cur)
        for path in plan.paths:
            expected_wh = expected_wh or frame_wh(frames[path])
            check_frame_wh(path, frames[path], expected_wh)
        images = [frames[plan.video.frame_path(number)] for number in plan.clip.numbers]
        image_joints = cast(np.ndarray, person.joints)  # training_people keeps only labelled ones
        box = visible_box(person, frame_wh(images[0]))
        cut = None
        if augmentation.cut_prob and plan.rng.random() < augmentation.cut_prob:
            cut = random_cut(box, image_joints, plan.rng)
        if cut is not None:
            box, image_joints = cut.box_xywh, cut.hide_joints(image_joints)
        view = random_view(box, image_joints, options, augmentation, self.skeleton, plan.rng)
        crops = warp_frames(images, view.image_to_crop, options.crop_wh)
        if cut is not None:
            cut.paint(crops, view.image_to_crop)
        crops = change_appearance(crops, augmentation.appearance, plan.rng)
        joints = view.move_joints(image_joints, self.skeleton)
        return ClipSample(
            person=person,
            frames=crops,
            gaps=np.array(plan.clip.gaps, np.float32),
            crop_to_image=invert_affine(view.image_to_crop),
            joints=joints[:, :2].astype(np.float32),
            joint_weights=joints[:, 2].astype(np.float32),
        )


@dataclass(frozen=True, eq=False)
class _Plan:
    """What a sample is made of, before any frame is decoded; `rng` draws the view."""

    person: PersonRecord
    video: VideoAnnotation
    clip: Clip
    rng: np.random.Generator

    @property
    def position(self) -> tuple[str, int]:
        """Where the video stands when the clip is cut."""
        return self.video.name, self.clip.cur

    @cached_property
    def paths(self) -> list[Path]:
        """Files of the frames, each once, the current one first."""
        numbers = dict.fromkeys([self.clip.cur, *self.clip.numbers])
        return [self.video.frame_path(number) for number in numbers]
