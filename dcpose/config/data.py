"""The data sections of the config: which data set, and how clips are made of it."""

from typing import Annotated, ClassVar, Literal, NamedTuple

from pydantic import Field, field_validator

from dcpose.config.section import (
    YAML_TUPLE,
    Choice,
    Count,
    Offsets,
    PathText,
    Positive,
    PositiveFloat,
    Probability,
    Section,
    Size,
)
from dcpose.geometry import Affine

Split = Literal["train", "val", "test"]


class SplitFiles(NamedTuple):
    """What a config names for a split; paths are relative to `data.root`.

    Attributes:
        annotations: folder of annotation files, or one file.
        images: folder in place of the one that image names begin with; None takes names as they
            are.
        detections: JSON of person boxes; None takes those of the annotations.
    """

    annotations: str
    images: str | None
    detections: str | None


class AugmentConfig(Section):
    """Random changes of training clips (dcpose/data/augment.py); zero switches one off."""

    flip_prob: Probability = 0.5
    """Probability of a mirrored clip."""
    rotation_deg: Annotated[float, Field(ge=0, le=90)] = 45.0
    """Standard deviation of the rotation, in degrees; clipped at twice this."""
    rotation_prob: Probability = 0.6
    """Probability of any rotation."""
    scale: Annotated[float, Field(ge=0, lt=1)] = 0.35
    """Standard deviation of the box scale around 1; clipped at 1 +- this."""
    half_body_prob: Probability = 0.3
    """Probability of a box around the upper or lower body alone."""
    half_body_min_joints: Annotated[int, Field(ge=2)] = 8
    """Only people with more visible joints than this are cut in half."""
    shift_prob: Probability = 0.0
    """Probability of a box that is moved off its person."""
    shift: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Largest move along either side, as a share of the box."""
    cut_prob: Probability = 0.0
    """Probability that the border of the picture, or a table, hides a part of the person."""
    color: Probability = 0.0
    """Strength of changed brightness, contrast, saturation, channel gains and gamma; 1 is much."""
    blur: Probability = 0.0
    """Probability of a clip out of focus."""
    low_resolution: Probability = 0.0
    """Probability of a clip that was filmed with fewer pixels."""
    noise: Probability = 0.0
    """Largest standard deviation of sensor noise, as a share of the range of values; new in every
    frame, while all else is the same for all frames of a clip."""
    cutout: Probability = 0.0
    """Probability of a block of one colour somewhere in the crop."""
    jpeg: Probability = 0.0
    """Probability of visible compression."""
    texture: Probability = 0.0
    """Probability of a random convolution, which changes colours and texture and leaves shapes."""

    @property
    def is_off(self) -> bool:
        """Whether every clip stays as it is."""
        rotates = self.rotation_prob > 0 and self.rotation_deg > 0
        shifts = self.shift_prob > 0 and self.shift > 0
        moves = self.flip_prob or rotates or self.scale or self.half_body_prob or shifts
        colors = self.color, self.noise, self.jpeg, self.texture
        pixels = self.blur, self.low_resolution, self.cutout, *colors
        return not (moves or self.cut_prob or any(pixels))


class TrainSet(Section):
    """One of several data sets that a training draws from; paths are relative to its root."""

    root: PathText
    layout: Literal["posetrack17", "posetrack18", "posetrack21", "coco", "penn_action", "jhmdb"] = (
        "posetrack18"
    )
    annotations: PathText | None = None
    """null: where the layout has those of its train split."""
    images: PathText | None = None
    """As data.train_images."""
    skeleton: PathText | None = None
    """YAML of the set's joints, where its layout does not tell them; those of data.skeleton are
    found among them by name, and the others count as not labelled."""
    share: PositiveFloat | None = None
    """Of an epoch; all sets have one or none has. null takes everybody once."""
    weight: PositiveFloat = 1.0
    """Factor of its people in the loss, for labels that are less sure."""


class DataSection(Choice):
    """Where the data lie and how a clip is cut from them; the layout decides further keys."""

    decided_by = "layout"
    default = "posetrack18"
    has_clips: ClassVar[bool] = True
    """Videos, not single images."""

    layout: str
    """Data set: 2017 names frames by eight digits, 2018 and 2021 by six, from 000000; coco has
    single images, one annotation file per split; penn_action and jhmdb are read as they are
    published."""
    root: PathText
    """Folder that the other paths of this section, and image paths in files, are relative to."""
    skeleton: PathText | None = None
    """YAML of another joint set, as configs/skeletons/posetrack.yaml; null takes the data set's,
    which for COCO and data of your own is PoseTrack's."""
    train_annotations: PathText = "annotations/train"
    """Folder of per-video JSON files, or one JSON file of all videos."""
    sets: Annotated[tuple[TrainSet, ...], Field(min_length=1), YAML_TUPLE] | None = None
    """Several data sets to train on, in place of train_annotations; val and test stay those of
    data.root. Joints are joined by name. null trains on data.root alone."""
    val_annotations: PathText = "annotations/val"
    """Folder of per-video JSON files, or one JSON file of all videos."""
    test_annotations: PathText = "annotations/test"
    """Folder of per-video JSON files, or one JSON file of all videos; images alone are enough."""
    train_images: PathText | None = None
    """Folder in place of the `images` that image names begin with; null takes names as they are.
    For coco: what file names are relative to."""
    val_images: PathText | None = None
    """As train_images."""
    test_images: PathText | None = None
    """As train_images."""
    val_detections: PathText | None = None
    """JSON of person boxes; null takes the ground-truth boxes."""
    test_detections: PathText | None = "detections/test.json"
    """JSON of person boxes; null takes the boxes of the annotation files, if they have any."""
    min_box_score: float = 0.2
    """Detections below this score are left out."""
    crop_wh: Size = (288, 384)
    """Network input, (width, height), multiples of what the backbone halves them to."""
    box_enlarge: Annotated[float, Field(gt=0)] = 1.25
    """Factor on the person box after padding it to the aspect of the crop."""
    affine: Affine = "classic"
    """classic: the box is mapped to 0 .. W, and targets are whole heatmap pixels, as in HRNet and
    DCPose. udp: to 0 .. W - 1, and targets are sub-pixel, as in ViTPose. The two are half a pixel
    and more apart: weights want the one that they were trained with."""
    max_gap: Positive = 1
    """T of the paper: a neighbour is at most this many frames away; for PoseWarper, in training."""
    offsets: Offsets | None = None
    """Frames of a clip relative to the current one, such as [-2, -1, 0, 1, 2], in training and at
    test; past the border of the video the border frame is repeated. null: what the model asks
    for."""
    missing_neighbors: Literal["error", "repeat"] = "error"
    """What to do when a neighbour the clip should have is not on disk."""
    sigma: Annotated[float, Field(gt=0)] = 3.0
    """Standard deviation of target Gaussians, in heatmap pixels."""
    workers: Count = 4
    """Loader processes in training; 0 loads in the main process."""
    group_frames: Count = 1
    """Training: people of this many neighbouring frames stand together in the shuffled order, so
    that a batch decodes their frames once (dcpose/data/epoch_order.py); 0 shuffles one by one."""
    draws: Positive | None = None
    """Sets of training views and neighbours that are drawn; the epochs take turns with them. null
    draws anew in every epoch."""
    augment: AugmentConfig = AugmentConfig()

    def files_of(self, split: Split) -> SplitFiles:
        """Return what the config names for a split."""
        return SplitFiles(
            annotations=getattr(self, f"{split}_annotations"),
            images=getattr(self, f"{split}_images"),
            detections=None if split == "train" else getattr(self, f"{split}_detections"),
        )

    @field_validator("offsets")
    @classmethod
    def _check_offsets(cls, offsets: Offsets | None) -> Offsets | None:
        if offsets is None:
            return None
        rising = list(offsets) == sorted(set(offsets))
        if not rising or len(offsets) % 2 == 0 or offsets[len(offsets) // 2] != 0:
            raise ValueError("expected rising offsets with 0 in their middle, such as [-1, 0, 1]")
        return offsets


class PoseTrackDataConfig(DataSection):
    """Videos with PoseTrack's annotation files."""

    layout: Literal["posetrack17", "posetrack18", "posetrack21"] = "posetrack18"


class CocoDataConfig(DataSection):
    """Single images with COCO's annotation files, for stage one of the backbone."""

    has_clips = False

    layout: Literal["coco"] = "coco"


class PennActionDataConfig(DataSection):
    """Penn Action: one person in every frame, 13 joints; val and test are its test videos."""

    layout: Literal["penn_action"] = "penn_action"
    train_annotations: PathText = "labels"
    """Folder of .mat files, which say themselves what they are for."""
    val_annotations: PathText = "labels"
    test_annotations: PathText = "labels"
    train_images: PathText = "frames"
    """Folder of folders of frames."""
    val_images: PathText = "frames"
    test_images: PathText = "frames"
    test_detections: PathText | None = None


class JhmdbDataConfig(DataSection):
    """Sub-JHMDB: one person in every frame, 15 joints; val and test are the test videos."""

    layout: Literal["jhmdb"] = "jhmdb"
    fold: Annotated[int, Field(ge=1, le=3)] = 1
    """Which of the three splits; published figures are means over them."""
    train_annotations: PathText = "sub_splits"
    """Folder of the lists of videos; joint_positions and puppet_mask lie in data.root, too."""
    val_annotations: PathText = "sub_splits"
    test_annotations: PathText = "sub_splits"
    train_images: PathText = "Rename_Images"
    """Folder of actions with folders of frames."""
    val_images: PathText = "Rename_Images"
    test_images: PathText = "Rename_Images"
    test_detections: PathText | None = None
