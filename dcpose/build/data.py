"""A config becomes videos, people and clips."""

from dataclasses import fields
from pathlib import Path

from dcpose.build.datasets import DATASETS, DataSplit
from dcpose.build.tables import METHODS
from dcpose.config.data import DataSection, Split, TrainSet
from dcpose.config.schema import Config
from dcpose.config.shipped import find_config
from dcpose.data.appearance import Appearance
from dcpose.data.augment import Augmentation
from dcpose.data.clip import ClipOptions
from dcpose.data.mixed import with_joints_of
from dcpose.formats.detections import describe_detector, read_detections
from dcpose.formats.posetrack.records import VideoAnnotation, describe_skipped
from dcpose.formats.skeleton_yaml import read_skeleton
from dcpose.skeleton import Skeleton
from dcpose.structures import PersonRecord


def read_videos(cfg: Config, split: Split) -> list[VideoAnnotation]:
    """Read the annotation files of a split; see `build.datasets`."""
    return DATASETS[cfg.data.layout].read(_data_split(cfg, split))


def _data_split(cfg: Config, split: Split) -> DataSplit:
    """Return what a split's reader is asked for."""
    return DataSplit(cfg.data, data_root(cfg), split, build_skeleton(cfg))


def read_train_sets(cfg: Config) -> list[tuple[TrainSet, list[VideoAnnotation]]]:
    """Read the sets of `data.sets`, with the joints of the config; see `read_train_set`."""
    skeleton = build_skeleton(cfg)
    return [(one, read_train_set(one, skeleton)) for one in cfg.data.sets or ()]


def read_train_set(one: TrainSet, skeleton: Skeleton) -> list[VideoAnnotation]:
    """Read one of `data.sets`, with the joints that are wanted.

    Raises:
        ValueError: if a file breaks its form, or the set has none of the joints.
    """
    section, own = section_of(one), joints_of_set(one, skeleton)
    videos = DATASETS[one.layout].read(DataSplit(section, Path(one.root), "train", own))
    try:
        return with_joints_of(videos, own, skeleton)
    except ValueError as error:
        raise ValueError(f"data.sets: {one.root}: {error}") from None


def section_of(one: TrainSet) -> DataSection:
    """Return the section that a config of this set alone would have.

    Raises:
        ValueError: if its folder is missing.
    """
    root = Path(one.root)
    if not root.is_dir():
        raise ValueError(f"data.sets: no such folder: {root} (working directory: {Path.cwd()})")
    values = {"train_annotations": one.annotations, "train_images": one.images}
    given = {key: value for key, value in values.items() if value is not None}
    return DataSection.model_validate({"layout": one.layout, "root": one.root, **given})


def joints_of_set(one: TrainSet, wanted: Skeleton) -> Skeleton:
    """Return the joints of the files of a set."""
    if one.skeleton is not None:
        return read_skeleton(find_config(one.skeleton))
    dataset = DATASETS[one.layout]
    # files that name their joints are read for those of the config
    return dataset.skeleton if dataset.fixed_joints else wanted


def annotations_path(cfg: Config, split: Split) -> Path:
    """Return the folder or file that the config names for a split's annotations."""
    return data_root(cfg) / cfg.data.files_of(split).annotations


def annotations_dir(cfg: Config, split: Split, scratch: Path) -> Path:
    """Return the folder of a split's per-video annotation files; what is made goes to `scratch`.

    COCO's one file stays one.
    """
    return DATASETS[cfg.data.layout].truth(_data_split(cfg, split), scratch)


def build_skeleton(cfg: Config) -> Skeleton:
    """Return the joints of the data, those of its layout unless the config names a file.

    Raises:
        ValueError: if the file cannot be used, or the model has another number of joints.
    """
    file = cfg.data.skeleton
    own = DATASETS[cfg.data.layout].skeleton
    skeleton = own if file is None else read_skeleton(find_config(file))
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
    detections = cfg.data.files_of(split).detections
    videos = read_videos(cfg, split)
    if detections is not None:
        path = data_root(cfg) / detections
        people, skipped = read_detections(path, videos, cfg.data.min_box_score)
        if not any(people.values()):
            raise ValueError(
                f"{path}: no person box is left to use{describe_skipped(skipped)} "
                f"(data.min_box_score={cfg.data.min_box_score})"
            )
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
    detections = cfg.data.files_of(split).detections
    if detections is None:
        return "ground truth"
    detector = describe_detector(data_root(cfg) / detections)
    return f"{detections} ({detector})" if detector else detections


def build_clip_options(cfg: Config, training: bool, annotated: bool = False) -> ClipOptions:
    """Return how crops are made of the frames that the model wants, or `data.offsets` names.

    Args:
        cfg: says it.
        training: for training samples; else outside training.
        annotated: boxes are those of the annotations, whose margin `test.box_enlarge` is without.
    """
    wanted = METHODS[cfg.model.name].network.clip
    frames = cfg.data.offsets or (wanted.training if training else wanted.test)
    # nobody waits for a frame that is not looked at; where gaps vary, its distance still counts
    causal = not cfg.model.looks_ahead and cfg.data.max_gap == 1
    if frames == "neighbors" and not training and causal:
        frames = "past"
    box_enlarge = cfg.data.box_enlarge
    if not training and cfg.test.box_enlarge is not None:
        margin = DATASETS[cfg.data.layout].box_margin if annotated else 1.0
        box_enlarge = cfg.test.box_enlarge / margin
    return ClipOptions(
        crop_wh=cfg.data.crop_wh,
        box_enlarge=box_enlarge,
        max_gap=cfg.data.max_gap,
        missing_neighbors=cfg.data.missing_neighbors,
        affine=cfg.data.affine,
        frames=frames,
    )


def build_augmentation(cfg: Config) -> Augmentation:
    """Return the random changes of training clips."""
    section = cfg.data.augment
    appearance = Appearance(
        **{field.name: getattr(section, field.name) for field in fields(Appearance)}
    )
    names = [field.name for field in fields(Augmentation) if field.name != "appearance"]
    return Augmentation(**{name: getattr(section, name) for name in names}, appearance=appearance)


def data_root(cfg: Config) -> Path:
    """Return the folder of the data set.

    Raises:
        ValueError: if there is none.
    """
    root = Path(cfg.data.root)
    if not root.is_dir():
        raise ValueError(f"data.root: no such folder: {root} (working directory: {Path.cwd()})")
    return root
