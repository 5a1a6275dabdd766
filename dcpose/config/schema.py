"""The typed configuration: schema, YAML files with `base:`, overrides, dump.

A config file holds only the keys that differ from its parent; `base:` names the parent relative to
the file. Command-line overrides come last, as `key=value` or `key value`; values are YAML. Unknown
keys and wrong types are errors that name the file, the key, the value and what was expected.

Paths inside a config (`data.root`, weights) are relative to the working directory.
"""

from typing import Annotated, ClassVar, Literal, NamedTuple

from pydantic import Field, SerializeAsAny, field_validator, model_validator

from dcpose.config.models import DCPoseConfig, ModelSection
from dcpose.config.section import (
    YAML_TUPLE,
    Choice,
    Count,
    Integers,
    Offsets,
    PathText,
    Positive,
    PositiveFloat,
    Probability,
    Section,
    Size,
)
from dcpose.config.train_set import TrainSet
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

    @property
    def is_off(self) -> bool:
        """Whether every clip stays as it is."""
        rotates = self.rotation_prob > 0 and self.rotation_deg > 0
        shifts = self.shift_prob > 0 and self.shift > 0
        moves = self.flip_prob or rotates or self.scale or self.half_body_prob or shifts
        pixels = self.color, self.blur, self.low_resolution, self.noise, self.cutout, self.jpeg
        return not (moves or self.cut_prob or any(pixels))


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

    def files_of(self, split: Split) -> "SplitFiles":
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


class TrainConfig(Section):
    """The training loop."""

    epochs: Positive = 20
    batch_size: Positive = 32
    """Clips per process and step."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """auto: bf16 on CUDA, fp32 on a CPU."""
    accumulate: Positive = 1
    """Batches per optimizer step."""
    clip_grad_norm: Annotated[float, Field(gt=0)] | None = None
    """Largest gradient norm; null does not clip."""
    ema_decay: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Decay of an exponential moving average of the weights; null keeps none."""
    validate_every: Count | None = 1
    """Epochs between validations by AP; 0 validates after the last epoch only; null never, and then
    there is no best.pt."""
    cache_encodings: PathText | None = None
    """Folder for what a frozen backbone encodes of the training clips (heatmaps or features,
    fp16), so that later epochs and other heads skip it; needs views that repeat (data.draws, or no
    augmentation). null keeps none."""
    log_every: Positive = 50
    """Steps between lines of log and points of curves."""
    loggers: Annotated[tuple[Literal["tensorboard", "wandb", "mlflow"], ...], YAML_TUPLE] = (
        "tensorboard",
    )
    """What draws curves and shows pictures, in the run folder: wandb and mlflow are extras of
    dcpose, and send nothing unless WANDB_MODE=online or MLFLOW_TRACKING_URI=ADDRESS."""
    save_every: Count = 500
    """Steps between checkpoints inside an epoch; 0 saves at the ends of epochs alone."""
    timeout_s: Positive = 1800
    """Seconds to wait for a batch of the loader, or for another process, before the run ends."""
    joint_weights: Annotated[tuple[PositiveFloat, ...], YAML_TUPLE] | None = None
    """Factors on the joints' differences in the loss, in the order of the skeleton; null is 1."""
    nonfinite_limit: Count = 0
    """Steps of a run that may be skipped because a loss or gradient is NaN or infinite."""


class OptimConfig(Section):
    """Optimizer and learning rate."""

    name: Literal["adam", "adamw", "sgd"] = "adam"
    lr: Annotated[float, Field(gt=0)] = 1e-4
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    decayed: Literal["all", "matrices"] = "all"
    """What weight decay pulls at: all, or kernels and matrices alone, without biases, norms and
    tables of positions."""
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Factor on the rate from one layer of a ViT to the one before it; the output has lr."""
    warmup_steps: Count = 0
    """First steps, in which the rate rises linearly from a thousandth of it."""
    milestones: Integers = (4, 8, 12, 16)
    """Epochs after which the rate is multiplied by gamma."""
    gamma: Annotated[float, Field(gt=0, le=1)] = 0.1

    @field_validator("milestones")
    @classmethod
    def _check_rising(cls, milestones: Integers) -> Integers:
        if list(milestones) != sorted(set(milestones)):
            raise ValueError("expected rising epochs")
        return milestones


class TestConfig(Section):
    """Inference in val and test."""

    __test__ = False  # not a test class, whatever its name makes pytest think

    batch_size: Positive = 64
    precision: Literal["auto", "fp32", "bf16", "fp16", "bf16_branches"] = "auto"
    """auto: bf16 on CUDA, fp32 on a CPU. bf16_branches: bf16 in the branches of an HRNet that bear
    it best, which keeps heatmaps within a percent of their peak and is worth it on a CPU with AMX;
    mixed is its old name."""
    runtime: Literal["auto", "torch", "onnx", "openvino"] = "auto"
    """What runs the network in val, test and infer. auto: onnx where it is installed
    (`pip install 'dcpose[onnx]'`), on a CPU, in fp32 and with fast; else torch. onnx and openvino
    export the weights once, to the user's cache; an exported file given as weights runs in its own
    runtime whatever stands here. Validations during training use torch."""
    providers: Annotated[tuple[str, ...], YAML_TUPLE] | None = None
    """ONNX Runtime's execution providers in the order in which they are tried, such as
    [TensorrtExecutionProvider, CUDAExecutionProvider]; null takes that of the device."""
    joint_score: Literal["heatmap_times_box", "heatmap"] = "heatmap_times_box"
    """Score of a joint: its heatmap peak, times the box score or alone."""
    fast: bool = True
    """Run a copy of the network that is made ready for inference (dcpose/deploy/fast.py); false
    runs it as it is trained, the reference."""
    cuda_graphs: bool = False
    """On CUDA: record the fast network once for each of a few batch sizes, and replay it."""
    flip: bool = False
    """Average with the heatmaps of the mirrored clip."""
    decoding: Literal["quarter", "dark"] = "quarter"
    """quarter: the highest heatmap pixel, moved by a quarter towards its neighbours, as in HRNet
    and DCPose; dark: moved to the top of a Gaussian through the blurred map (sigma 2), as in
    ViTPose."""
    neighbors: Literal["as_is", "current", "reversed", "other_video"] = "as_is"
    """Other than as_is: give clips neighbours that are wrong, to see whether a model looks at them
    (scripts/probe.py): the current frame, the frames in reversed order, or another video's."""
    oks_nms: Annotated[float, Field(gt=0, le=1)] | None = None
    """Drop poses that resemble a better one of their frame more than this OKS; null drops none."""
    track: bool = False
    """Write track ids that follow people through the video; else ids are unique in a frame only."""

    @field_validator("precision", mode="before")
    @classmethod
    def _rename_mixed(cls, precision: object) -> object:
        return "bf16_branches" if precision == "mixed" else precision


class Config(Section):
    """Everything that defines a run."""

    experiment: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    """Name of the run folder's parent: letters, digits, dot, dash, underscore."""
    seed: Count = 0
    data: SerializeAsAny[DataSection]
    model: SerializeAsAny[ModelSection] = DCPoseConfig()
    train: TrainConfig = TrainConfig()
    optim: OptimConfig = OptimConfig()
    test: TestConfig = TestConfig()

    @model_validator(mode="after")
    def _check_crop(self) -> "Config":
        multiple, crop_wh = self.model.backbone.side_multiple, self.data.crop_wh
        if any(side % multiple for side in crop_wh):
            nearest = [max(multiple, round(side / multiple) * multiple) for side in crop_wh]
            raise ValueError(
                f"data.crop_wh: found {list(crop_wh)}: both sides must be multiples of {multiple} "
                f"with model.backbone.name={self.model.backbone.name}; the nearest size is "
                f"{nearest}"
            )
        return self

    @model_validator(mode="after")
    def _check_offsets(self) -> "Config":
        lengths, offsets = self.model.clip_lengths, self.data.offsets
        if offsets is not None and lengths is not None and len(offsets) not in lengths:
            expected = f"{' or '.join(map(str, lengths))} frames" if lengths else "null"
            raise ValueError(
                f"data.offsets: found {list(offsets)}, expected {expected} with model.name="
                f"{self.model.name}"
            )
        frames = self.model.num_frames
        if frames is not None and frames != (5 if offsets is None else len(offsets)):
            found = "null, which is five" if offsets is None else list(offsets)
            raise ValueError(
                f"model.frames: found {frames} with data.offsets {found}; expected as many frames "
                "as offsets"
            )
        return self

    @model_validator(mode="after")
    def _check_single_images(self) -> "Config":
        if self.data.has_clips:
            return self
        found = f"data.layout is {self.data.layout}, which has single images"
        if self.test.track:
            raise ValueError(f"{found}: there is nobody to follow; set test.track=false")
        if self.model.name != "single_frame":
            raise ValueError(
                f"{found}, with model.name {self.model.name}, which needs clips; set "
                "model.name=single_frame"
            )
        return self

    @model_validator(mode="after")
    def _check_joint_weights(self) -> "Config":
        factors = self.train.joint_weights
        if factors is not None and len(factors) != self.model.num_joints:
            raise ValueError(
                f"train.joint_weights: found {len(factors)} factors, expected one for each of "
                f"model.num_joints={self.model.num_joints}"
            )
        return self

    @model_validator(mode="after")
    def _check_layers(self) -> "Config":
        if self.optim.layer_decay != 1 and not self.model.backbone.has_layers:
            raise ValueError(
                f"optim.layer_decay: found {self.optim.layer_decay}, expected 1 with "
                f"model.backbone.name={self.model.backbone.name}, whose layers have one rate"
            )
        return self

    @model_validator(mode="after")
    def _check_bf16_branches(self) -> "Config":
        if self.test.precision != "bf16_branches":
            return self
        if not self.test.fast or self.model.backbone.name != "hrnet":
            raise ValueError(
                f"test.precision=bf16_branches needs test.fast=true and an HRNet backbone, found "
                f"test.fast={str(self.test.fast).lower()} and model.backbone.name="
                f"{self.model.backbone.name}; use fp32 or bf16"
            )
        return self

    @model_validator(mode="after")
    def _check_sets(self) -> "Config":
        sets = self.data.sets
        if sets is None:
            return self
        shares = [one.share is not None for one in sets]
        if any(shares) and not all(shares):
            raise ValueError("data.sets: some have a share and others not; give all one, or none")
        if self.data.group_frames:
            raise ValueError(
                "data.sets mixes people of different frames, which data.group_frames="
                f"{self.data.group_frames} would keep together; set data.group_frames=0"
            )
        for name, value in (
            ("train.cache_encodings", self.train.cache_encodings),
            ("data.draws", self.data.draws),
        ):
            if value is not None:
                raise ValueError(f"data.sets draws people anew in every epoch; set {name}=null")
        return self

    @model_validator(mode="after")
    def _check_kept_encodings(self) -> "Config":
        if self.train.cache_encodings is None:
            return self
        if not self.model.has_constant_backbone:
            raise ValueError(
                "train.cache_encodings keeps what a backbone gives that never changes; set "
                "model.backbone.frozen=true and model.backbone.frozen_bn=true with a model.name "
                "other than single_frame, or train.cache_encodings=null"
            )
        drawn = self.model.draws_frames or (self.data.max_gap > 1 and self.data.offsets is None)
        if self.data.draws is None and (drawn or not self.data.augment.is_off):
            raise ValueError(
                "train.cache_encodings needs training clips that come again, but they are drawn "
                "anew in every epoch; set data.draws=K for K sets of them, or switch everything "
                "in data.augment off with data.max_gap=1 and a model that draws no frames"
            )
        return self
