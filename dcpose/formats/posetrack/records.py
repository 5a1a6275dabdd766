"""PoseTrack annotations to videos and person records.

Form of 2018 and 2021: `images` (id, file_name, and optionally nframes, width, height),
`annotations` (image_id, keypoints, bbox, ...) and `categories` with the keypoint names. A file may
stop at `images`, like those of the test split. `file_name` is relative to the data set's root; its
stem is the number of the frame: six digits count from 0 (2018), eight digits from 1 (2017). There
is one file per video, or one file of all videos (`merged.py`). 2017 files (`annolist`) are turned
into this form first (`annolist`); their frames count from the first that is listed.

What a person of no use is and what an error is: people that the format allows to be there
(crowds, other categories, boxes without area or outside the image) are left out and counted;
whatever contradicts the format stops with the file, the entry, what was found and what was
expected.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from dcpose.files.listing import list_folder
from dcpose.formats.fields import read_object
from dcpose.formats.findings import Findings
from dcpose.formats.posetrack.images import ImagePlace, link_fault, numbered_files
from dcpose.formats.posetrack.merged import split_videos
from dcpose.formats.posetrack.video_file import VideoFile, parse_video_file
from dcpose.geometry import clip_to_image, overlaps_image
from dcpose.skeleton import POSETRACK, Skeleton
from dcpose.structures import PersonRecord

logger = logging.getLogger(__name__)

FRAME_DIGITS = {"posetrack17": 8, "posetrack18": 6, "posetrack21": 6}
"""Digits in the names of frames, by layout."""

JOINT_EXTENT_FACTOR = 1.3
"""Box side / extent of the labelled joints, in PoseTrack's own annotations."""


@dataclass(frozen=True)
class ImageFile:
    """An image that is no frame of a video: its name in the folder, and its (width, height)."""

    name: str
    image_wh: tuple[int, int]


@dataclass(frozen=True, eq=False)
class VideoAnnotation:
    """One annotation file.

    Attributes:
        name: file name without `.json`; also names the predictions file.
        source: the annotation file.
        images: the raw `images` entries, in file order, for copying into predictions.
        frame_numbers: number of the frame of each entry of `images`.
        folder: folder of the frames on disk.
        digits: digits of a frame's file name, 6 or 8.
        first_frame: number of the first frame.
        suffix: extension of the frames, with its dot.
        num_frames: length of the clip in frames; frames that `images` does not list count.
        image_wh: (width, height) of the frames in pixels; None if the file does not say.
        people: annotated people that have a usable box, in file order.
        skipped: how many people were left out, by reason.
        files: the images by number, where they are no frames of one video (`coco.py`); None
            where frames are named by their number and share a size.
        base: folder that no link of the data set may lead out of (`image_place.py`); None where
            the user named the frames, not a file.
    """

    name: str
    source: Path
    images: list[dict[str, Any]]
    frame_numbers: list[int]
    folder: Path
    digits: int
    first_frame: int
    suffix: str
    num_frames: int
    image_wh: tuple[int, int] | None
    people: list[PersonRecord]
    skipped: Counter[str]
    files: dict[int, ImageFile] | None = None
    base: Path | None = None

    @property
    def frame_range(self) -> range:
        """Numbers of all frames of the clip."""
        return range(self.first_frame, self.first_frame + self.num_frames)

    def frame_path(self, number: int) -> Path:
        """Return where frame `number` lies on disk."""
        if self.files is not None:
            return self.folder / self.files[number].name
        return self.folder / f"{number:0{self.digits}d}{self.suffix}"

    def clip_paths(self, number: int) -> list[Path]:
        """Return where the frames before, at and after `number` lie; the ends stand in."""
        clip = self.frame_range
        return [
            self.frame_path(min(max(other, clip[0]), clip[-1]))
            for other in (number - 1, number, number + 1)
        ]

    def expected_wh(self, number: int) -> tuple[int, int] | None:
        """Return the (width, height) that frame `number` should have; None if no file says."""
        return self.image_wh if self.files is None else self.files[number].image_wh

    def frames_on_disk(self) -> set[int]:
        """Return the numbers of the frames of the clip that exist on disk.

        Raises:
            ValueError: if links lead out of the data set.
        """
        if self.files is not None:
            return self._single_images_on_disk()
        if not self.folder.is_dir():
            return set()
        self._check_links(self.folder)
        numbers = set()
        for number, entry in numbered_files(self.folder, self.digits, self.suffix):
            # the length of the clip is what a file says: it may be any number
            if number in self.frame_range:
                if entry.is_symlink():
                    self._check_links(Path(entry.path))
                numbers.add(number)
        return numbers

    def _single_images_on_disk(self) -> set[int]:
        paths = {number: self.frame_path(number) for number in self.files or ()}
        present = {number: path for number, path in paths.items() if path.is_file()}
        links = {path for path in present.values() if path.is_symlink()}
        for path in sorted(links | {path.parent for path in present.values()}):
            self._check_links(path)
        return set(present)

    def _check_links(self, path: Path) -> None:
        fault = None if self.base is None else link_fault(path, self.base)
        if fault is not None:
            raise ValueError(f"{path}: {fault}")


def read_annotations(
    source: Path,
    image_root: Path,
    skeleton: Skeleton = POSETRACK,
    image_folder: str | None = None,
) -> list[VideoAnnotation]:
    """Read the videos of a split, in the order of their names.

    Args:
        source: folder of `.json` files, one per video; or one file of all videos.
        image_root: what `file_name` in the files is relative to.
        skeleton: joint order of the records; files are matched by keypoint names.
        image_folder: folder in `image_root` that takes the place of the `images` that names begin
            with (or is put in front of them), such as `images_renamed`; None takes them as they
            are.

    Raises:
        ValueError: if there is no annotation file, or a file breaks the form.
    """
    place = ImagePlace(image_root, image_folder)
    if source.is_file():
        parts = split_videos(read_object(source), str(source))
        if not parts:
            raise ValueError(f"{source}: images is empty, expected at least one frame")
        videos = [_video(part, name, source, place, skeleton) for name, part in parts.items()]
    else:
        files = list_folder(source, ".json")
        if not files:
            raise ValueError(
                f"{source}: no annotation files; expected a folder of per-video .json, or one "
                ".json of all videos"
            )
        videos = [_video(read_object(file), file.stem, file, place, skeleton) for file in files]
    log_size(source, videos)
    return videos


def read_video(source: Path, image_root: Path, skeleton: Skeleton = POSETRACK) -> VideoAnnotation:
    """Read the annotation file of one video; see `read_annotations`."""
    return _video(read_object(source), source.stem, source, ImagePlace(image_root), skeleton)


def log_size(source: Path, videos: Sequence[VideoAnnotation]) -> None:
    """Log how much a split holds, and how many people of it are left out."""
    images, people = (sum(len(getattr(v, of)) for v in videos) for of in ("images", "people"))
    rest = describe_skipped(sum((video.skipped for video in videos), Counter()))
    num_videos = "" if videos and videos[0].files else f"{len(videos)} videos, "
    logger.info("%s: %s%d images, %d people%s", source, num_videos, images, people, rest)


def _video(
    content: dict[str, Any], name: str, source: Path, place: ImagePlace, skeleton: Skeleton
) -> VideoAnnotation:
    """Return the video of a parsed file, or of the part of it that is about one video."""
    where = str(source) if name == source.stem else f"{source} ({name})"
    file = parse_video_file(content, where, skeleton, Findings())
    first_image = PurePosixPath(file.images[0]["file_name"])
    people, skipped = _people(file, name, skeleton)
    return VideoAnnotation(
        name=name,
        source=source,
        images=file.images,
        frame_numbers=file.numbers,
        folder=place.of(first_image.parent),
        digits=len(first_image.stem),
        first_frame=file.first_frame,
        suffix=first_image.suffix,
        num_frames=file.num_frames,
        image_wh=file.image_wh,
        people=people,
        skipped=skipped,
        base=place.base,
    )


def training_people(videos: Iterable[VideoAnnotation]) -> list[PersonRecord]:
    """Return the people that a network can learn from: those with a labelled joint."""
    everyone = [person for video in videos for person in video.people]
    labelled = [p for p in everyone if p.joints is not None and p.joints[:, 2].any()]
    skipped = Counter({"no labelled joint": len(everyone) - len(labelled)})
    logger.info("%d people to train on%s", len(labelled), describe_skipped(skipped))
    return labelled


def unusable_box(box_xywh: np.ndarray | None, image_wh: tuple[int, int] | None) -> str | None:
    """Return why a person with this box is left out, or None if the box can be cropped."""
    if box_xywh is None:
        return "neither box nor joints"
    if box_xywh[2] <= 0 or box_xywh[3] <= 0:
        return "box without area"
    if image_wh is not None and not overlaps_image(box_xywh, image_wh):
        return "box outside the image"
    return None


def describe_skipped(skipped: Counter[str]) -> str:
    """Return "; left out: 3 crowd, 1 ..." for a log line, or nothing."""
    parts = [f"{count} {reason}" for reason, count in sorted(skipped.items()) if count]
    return f"; left out: {', '.join(parts)}" if parts else ""


def _people(
    file: VideoFile, name: str, skeleton: Skeleton
) -> tuple[list[PersonRecord], Counter[str]]:
    """Return the people of an annotation file that can be cropped, and how many cannot, and why."""
    frames = {image["id"]: number for image, number in zip(file.images, file.numbers, strict=True)}
    names = file.keypoint_names
    # the zero row appended below is what position -1, a joint that is not in the file, picks
    columns = [names.index(n) if n in names else -1 for n in skeleton.joint_names]
    people, skipped = [], Counter(file.others)
    for person in file.people:
        joints = np.vstack([person.keypoints, np.zeros((1, 3))])[columns]
        box = person.box_xywh if person.box_xywh is not None else box_around(joints)
        reason = unusable_box(box, file.image_wh)
        if box is not None and reason is None and file.image_wh is not None:
            # annotated boxes are cut to the image before cropping, which can leave nothing
            reason = "box without area" if min(clip_to_image(box, file.image_wh)[2:]) <= 0 else None
        if box is None or reason is not None:
            skipped[str(reason)] += 1
            continue
        people.append(
            PersonRecord(
                video=name,
                image_id=person.image_id,
                frame=frames[person.image_id],
                box_xywh=box,
                joints=joints,
                track_id=person.track_id,
            )
        )
    return people, skipped


def box_around(joints: np.ndarray) -> np.ndarray | None:
    """Return the (4,) enlarged extent of the labelled ones of (J, 3) joints; None without any."""
    labelled = joints[joints[:, 2] > 0, :2]
    if not len(labelled):
        return None
    near, far = labelled.min(axis=0), labelled.max(axis=0)
    margin = (JOINT_EXTENT_FACTOR - 1) / 2 * (far - near)
    return np.concatenate([near - margin, far - near + 2 * margin])
