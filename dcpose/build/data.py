"""A config becomes videos, people and clips."""

from pathlib import Path
from typing import Literal

from dcpose.config.schema import Config
from dcpose.data.augment import Augmentation
from dcpose.data.clip import ClipFrames, ClipOptions
from dcpose.formats.coco import read_coco
from dcpose.formats.detections import describe_detector, read_detections
from dcpose.formats.posetrack.merged import write_videos
from dcpose.formats.posetrack.records import FRAME_DIGITS, VideoAnnotation, read_annotations
from dcpose.formats.skeleton_yaml import read_skeleton
from dcpose.models.posewarper import REACH
from dcpose.skeleton import POSETRACK, Skeleton
from dcpose.structures import PersonRecord

Split = Literal["train", "val", "test"]


def read_videos(cfg: Config, split: Split) -> list[VideoAnnotation]:
    """Read the annotation files of a split; see `read_annotations` and `read_coco`.

    Raises:
        ValueError: also if frames are not named as the layout has them.
    """
    image_folder = {
        "train": cfg.data.train_images,
        "val": cfg.data.val_images,
        "test": cfg.data.test_images,
    }[split]
    source = annotations_path(cfg, split)
    if cfg.data.layout == "coco":
        return read_coco(source, data_root(cfg) / (image_folder or ""), build_skeleton(cfg))
    videos = read_annotations(source, data_root(cfg), build_skeleton(cfg), image_folder)
    digits = FRAME_DIGITS[cfg.data.layout]
    for video in videos:
        if video.digits != digits:
            fitting = [name for name, count in FRAME_DIGITS.items() if count == video.digits]
            raise ValueError(
                f"data.layout: found {cfg.data.layout}, whose frames have names of {digits} "
                f"digits, but {video.source} names {video.images[0]['file_name']}; "
                f"set data.layout={' or '.join(fitting)}"
            )
    return videos


def annotations_path(cfg: Config, split: Split) -> Path:
    """Return the folder of a split's per-video annotation files, or the file of all videos."""
    paths = {
        "train": cfg.data.train_annotations,
        "val": cfg.data.val_annotations,
        "test": cfg.data.test_annotations,
    }
    return data_root(cfg) / paths[split]


def annotations_dir(cfg: Config, split: Split, scratch: Path) -> Path:
    """Return the folder of a split's per-video annotation files.

    A file of all videos is written into `scratch`, one file per video, and that is returned.
    """
    path = annotations_path(cfg, split)
    if not path.is_file():
        return path
    write_videos(path, scratch)
    return scratch


def build_skeleton(cfg: Config) -> Skeleton:
    """Return the joints of the data, PoseTrack's unless the config names a file.

    Raises:
        ValueError: if the file cannot be used, or the model has another number of joints.
    """
    file = cfg.data.skeleton
    skeleton = POSETRACK if file is None else read_skeleton(Path(file))
    if cfg.model.num_joints != skeleton.num_joints:
        raise ValueError(
            f"model.num_joints: found {cfg.model.num_joints}, expected {skeleton.num_joints}, the "
            f"joints of the skeleton {skeleton.name} (data.skeleton: {file or 'null'})"
        )
    return skeleton


def read_people(
    cfg: Config, split: Split
) -> tuple[list[VideoAnnotation], dict[str, list[PersonRecord]]]:
    """Read the videos of val or test, and the people to find poses of, by video name.

    People are those of the detections file where the config names one, else the annotated ones.

    Raises:
        ValueError: if a file breaks its form, or there is nobody at all.
    """
    detections = {"val": cfg.data.val_detections, "test": cfg.data.test_detections}[split]
    videos = read_videos(cfg, split)
    if detections is not None:
        path = data_root(cfg) / detections
        people, _ = read_detections(path, videos, cfg.data.min_box_score)
        if not any(people.values()):
            raise ValueError(f"{path}: no box reaches data.min_box_score={cfg.data.min_box_score}")
    else:
        people = {video.name: list(video.people) for video in videos}
        if not any(people.values()):
            raise ValueError(
                f"{annotations_path(cfg, split)}: no annotated person boxes; set "
                f"data.{split}_detections=FILE"
            )
    return videos, people


def describe_boxes(cfg: Config, split: Split) -> str:
    """Return where the person boxes of val or test come from, for the protocol."""
    detections = {"val": cfg.data.val_detections, "test": cfg.data.test_detections}[split]
    if detections is None:
        return "ground truth"
    detector = describe_detector(data_root(cfg) / detections)
    return f"{detections} ({detector})" if detector else detections


def build_clip_options(cfg: Config, training: bool) -> ClipOptions:
    """Return which frames the model of a config sees, and how crops are made.

    PoseWarper sees a pair of frames in training, at most `data.max_gap` apart, and five at test.
    """
    frames: ClipFrames = "prev_cur_next"
    max_gap = cfg.data.max_gap
    if cfg.model.name == "single_frame":
        frames = "cur"
    elif cfg.model.name == "posewarper" and training:
        frames = "support_cur"
    elif cfg.model.name == "posewarper":
        frames, max_gap = "window", REACH
    return ClipOptions(
        crop_wh=cfg.data.crop_wh,
        box_enlarge=cfg.data.box_enlarge,
        max_gap=max_gap,
        missing_neighbors=cfg.data.missing_neighbors,
        frames=frames,
    )


def build_augmentation(cfg: Config) -> Augmentation:
    """Return the random changes of training clips."""
    augment = cfg.data.augment
    return Augmentation(
        flip_prob=augment.flip_prob,
        rotation_prob=augment.rotation_prob,
        rotation_deg=augment.rotation_deg,
        scale=augment.scale,
        half_body_prob=augment.half_body_prob,
        half_body_min_joints=augment.half_body_min_joints,
    )


def data_root(cfg: Config) -> Path:
    """Return the folder of the data set.

    Raises:
        ValueError: if there is none.
    """
    root = Path(cfg.data.root)
    if not root.is_dir():
        raise ValueError(f"data.root: no such folder: {root} (working directory: {Path.cwd()})")
    return root
