"""The typed configuration: schema, YAML files with `base:`, overrides, dump.

A config file holds only the keys that differ from its parent; `base:` names the parent relative to
the file. Command-line overrides come last, as `key=value` or `key value`; values are YAML. Unknown
keys and wrong types are errors that name the file, the key, the value and what was expected.

Paths inside a config (`data.root`, weights) are relative to the working directory.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)

from dcpose.config_files import Alternatives, Layer, merge_layers, read_layers, read_overrides
from dcpose.config_messages import ConfigError, describe_problems

# YAML has lists; the config is immutable, so it holds tuples
YAML_TUPLE = BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)
Positive = Annotated[int, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]
Probability = Annotated[float, Field(ge=0, le=1)]
Size = Annotated[tuple[Positive, Positive], YAML_TUPLE]
Integers = Annotated[tuple[Positive, ...], YAML_TUPLE]
Neighbors = Annotated[tuple[Literal["prev", "next"], ...], YAML_TUPLE]


class Section(BaseModel):
    """A group of keys: immutable, no unknown keys, no silent type conversion."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


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
    half_body_min_joints: Count = 8
    """Only people with more visible joints than this are cut in half."""

    @property
    def is_off(self) -> bool:
        """Whether every clip stays as it is."""
        rotates = self.rotation_prob > 0 and self.rotation_deg > 0
        return not (self.flip_prob or rotates or self.scale or self.half_body_prob)


class DataConfig(Section):
    """Where the data lie and how a clip is cut from them."""

    layout: Literal["posetrack17", "posetrack18", "posetrack21", "coco"] = "posetrack18"
    """Data set: 2017 names frames by eight digits, 2018 and 2021 by six, from 000000; coco has
    single images, one annotation file per split."""
    root: str
    """Folder that the other paths of this section, and image paths in files, are relative to."""
    skeleton: str | None = None
    """YAML of another joint set, as configs/skeletons/posetrack.yaml; null takes PoseTrack's."""
    train_annotations: str = "annotations/train"
    """Folder of per-video JSON files, or one JSON file of all videos."""
    val_annotations: str = "annotations/val"
    """Folder of per-video JSON files, or one JSON file of all videos."""
    test_annotations: str = "annotations/test"
    """Folder of per-video JSON files, or one JSON file of all videos; images alone are enough."""
    train_images: str | None = None
    """Folder in place of the `images` that image names begin with; null takes names as they are.
    For coco: what file names are relative to."""
    val_images: str | None = None
    """As train_images."""
    test_images: str | None = None
    """As train_images."""
    val_detections: str | None = None
    """JSON of person boxes; null takes the ground-truth boxes."""
    test_detections: str | None = "detections/test.json"
    """JSON of person boxes; null takes the boxes of the annotation files, if they have any."""
    min_box_score: float = 0.2
    """Detections below this score are left out."""
    crop_wh: Size = (288, 384)
    """Network input, (width, height), multiples of 32."""
    box_enlarge: Annotated[float, Field(gt=0)] = 1.25
    """Factor on the person box after padding it to the aspect of the crop."""
    max_gap: Positive = 1
    """T of the paper: a neighbour is at most this many frames away; for PoseWarper, in training."""
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

    @field_validator("crop_wh")
    @classmethod
    def _check_multiples_of_32(cls, crop_wh: Size) -> Size:
        if any(side % 32 for side in crop_wh):
            nearest = [max(32, round(side / 32) * 32) for side in crop_wh]
            raise ValueError(
                f"both sides must be multiples of 32 (HRNet halves them five times); "
                f"the nearest size is {nearest}"
            )
        return crop_wh


class BackboneSection(Section):
    """What all networks that give the initial heatmaps of each frame have in common."""

    weights: str | None = None
    """File to start training from: its pose or ImageNet weights, or our own checkpoint."""
    frozen: bool = True
    """Train the heads alone; must be false for `single_frame`."""
    frozen_bn: bool = True
    """Keep BatchNorm statistics of a frozen backbone; false lets them drift, as the release did."""


class HRNetConfig(BackboneSection):
    """HRNet."""

    name: Literal["hrnet"] = "hrnet"
    width: Positive = 48
    """Channels of the highest resolution."""
    modules: Annotated[tuple[Positive, Positive, Positive], YAML_TUPLE] = (1, 4, 3)
    """Exchange modules of stages 2, 3 and 4; smaller for tiny runs."""
    blocks: Positive = 4
    """Residual blocks per branch of a module."""
    stem_channels: Positive = 64
    """Channels of the stem, a quarter of what the first stage gives."""


class SimpleBaselineConfig(BackboneSection):
    """ResNet with transposed convolutions."""

    name: Literal["simple_baseline"]
    depth: Literal[18, 34, 50, 101, 152] = 50
    """Layers of the ResNet."""
    deconv_channels: Positive = 256
    """Channels of the transposed convolutions; fewer for tiny runs."""


def _backbone_name(section: Any) -> str:  # noqa: ANN401 - whatever stands in the YAML
    default = HRNetConfig.model_fields["name"].default
    if isinstance(section, dict):
        return str(section.get("name", default))
    return getattr(section, "name", default)


BackboneConfig = Annotated[
    Annotated[HRNetConfig, Tag("hrnet")] | Annotated[SimpleBaselineConfig, Tag("simple_baseline")],
    Discriminator(_backbone_name),
]
"""The network that gives the initial heatmaps of each frame; its name decides the other keys."""


class PrfConfig(Section):
    """Pose Residual Fusion: a chain of residual-steps blocks, or what replaces it in Table 5."""

    replaced_by: Literal["sum_conv"] | None = None
    """sum_conv: the sum of the residuals and a 3x3 convolution; blocks and channels are null."""
    blocks: Positive | None = 2
    channels: Positive | None = 34
    """Output channels."""
    second_residual: Literal["cur_minus_next", "next_minus_cur"] = "cur_minus_next"
    """Sign of the residual to the next frame: as released, or as the paper's Eq. 4 has it."""

    @model_validator(mode="after")
    def _check_replaced(self) -> "PrfConfig":
        _check_size_of_replaced("model.prf", self.replaced_by, self.blocks, self.channels)
        return self


class PtmConfig(Section):
    """Pose Temporal Merger: a chain of residual-steps blocks, or what replaces it in Table 5."""

    replaced_by: Literal["sum_conv", "current"] | None = None
    """sum_conv: the sum of the frames' heatmaps and a 3x3 convolution; current: the heatmaps of
    the current frame as they are; with either, blocks and channels are null."""
    blocks: Positive | None = 1
    channels: Positive | None = 17
    """Output channels, the maps that the correction resamples; one per joint in the release."""

    @model_validator(mode="after")
    def _check_replaced(self) -> "PtmConfig":
        _check_size_of_replaced("model.ptm", self.replaced_by, self.blocks, self.channels)
        return self


def _check_size_of_replaced(
    section: str, replaced_by: str | None, blocks: int | None, channels: int | None
) -> None:
    sizes = {f"{section}.blocks": blocks, f"{section}.channels": channels}
    if replaced_by is None:
        absent = [key for key, value in sizes.items() if value is None]
        if absent:
            raise ValueError(f"{absent[0]} is null, expected an integer greater than 0")
        return
    present = {key: value for key, value in sizes.items() if value is not None}
    if present:
        found = ", ".join(f"{key}={value}" for key, value in present.items())
        nulls = " ".join(f"{key}=null" for key in present)
        raise ValueError(
            f"{section}.replaced_by={replaced_by} removes the module, but its size is set: "
            f"{found}; set {nulls}, or keep the module with {section}.replaced_by=null"
        )


class FusionConfig(Section):
    """Joint trunk in front of offsets and masks: a chain of residual-steps blocks."""

    blocks: Positive = 2
    channels: Positive = 64
    """Output channels."""


def check_dilations(dilations: Integers) -> Integers:
    """Return the dilations; raise ValueError if there is none, or one twice."""
    if not dilations or len(set(dilations)) != len(dilations):
        raise ValueError("expected at least one dilation, each once")
    return dilations


class PcnConfig(Section):
    """Pose Correction Network."""

    dilations: Integers = (3, 6, 9, 12, 15)
    """One deformable convolution each."""
    deform_conv: Literal["auto", "torchvision", "gather", "mmcv"] = "auto"
    """Implementation of the deformable convolution; auto takes the fastest for the device."""
    masks: Literal["raw", "sigmoid"] = "raw"
    """raw: as released; sigmoid: between 0 and 1, as in DCNv2. The paper does not say."""

    @field_validator("dilations")
    @classmethod
    def _check_dilations(cls, dilations: Integers) -> Integers:
        return check_dilations(dilations)


class WarperConfig(Section):
    """PoseWarper: a chain of residual blocks, and deformable convolutions."""

    blocks: Positive = 20
    channels: Positive = 128
    """Channels of the chain."""
    dilations: Integers = (3, 6, 12, 18, 24)
    """One deformable convolution each."""

    @field_validator("dilations")
    @classmethod
    def _check_dilations(cls, dilations: Integers) -> Integers:
        return check_dilations(dilations)


class ModelConfig(Section):
    """The network."""

    name: Literal["dcpose", "single_frame", "posewarper"] = "dcpose"
    """single_frame: the backbone alone, stage one of training and the baseline; posewarper: pairs
    of frames in training, frames t-2 to t+2 in val and test."""
    num_joints: Positive = 17
    neighbors: Neighbors = ("prev", "next")
    """Frames that DCPose looks at besides the current one; the backbone does not see the others."""
    grouping: Literal["dense", "joint"] = "dense"
    """Convolutions of PTM and PRF: dense mixes the joints, as released; joint has a group per
    joint, as the paper's text says (Sec. 3.1)."""
    backbone: BackboneConfig = HRNetConfig()
    prf: PrfConfig = PrfConfig()
    ptm: PtmConfig = PtmConfig()
    fusion: FusionConfig = FusionConfig()
    pcn: PcnConfig = PcnConfig()
    warper: WarperConfig = WarperConfig()

    @model_validator(mode="after")
    def _check_combinations(self) -> "ModelConfig":
        if self.name == "single_frame" and self.backbone.frozen:
            raise ValueError(
                "model.name is single_frame with model.backbone.frozen true, which leaves nothing "
                "to train; set model.backbone.frozen=false"
            )
        if self.name == "dcpose":
            self._check_neighbors()
            self._check_grouping()
        return self

    def _check_neighbors(self) -> None:
        if not self.neighbors:
            raise ValueError(
                "model.neighbors is empty, but the PRF fuses differences to neighbours; keep prev "
                "or next, or take the backbone alone with model.name=single_frame"
            )
        if len(set(self.neighbors)) < len(self.neighbors):
            raise ValueError(
                f"model.neighbors: found {list(self.neighbors)}, expected prev and next, each once"
            )

    def _check_grouping(self) -> None:
        if self.grouping == "dense":
            return
        for name, channels in (("ptm", self.ptm.channels), ("prf", self.prf.channels)):
            if channels is not None and channels % self.num_joints:
                raise ValueError(
                    f"model.{name}.channels is {channels}, expected a multiple of "
                    f"model.num_joints={self.num_joints} with model.grouping=joint"
                )


ALTERNATIVES = {"model.backbone": Alternatives("hrnet", frozenset(BackboneSection.model_fields))}
"""Sections whose `name` decides which other keys they have."""


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
    validate_every: Count = 1
    """Epochs between validations by AP; 0 validates after the last epoch only."""
    cache_heatmaps: str | None = None
    """Folder for the heatmaps that a frozen backbone gives the training clips (fp16), so that
    later epochs and other heads skip it; needs views that repeat (data.draws, or no augmentation).
    null keeps none."""
    log_every: Positive = 50
    """Steps between lines of log and TensorBoard points."""
    save_every: Count = 500
    """Steps between checkpoints inside an epoch; 0 saves at the ends of epochs alone."""
    timeout_s: Positive = 1800
    """Seconds to wait for a batch of the loader, or for another process, before the run ends."""
    nonfinite_limit: Count = 0
    """Steps of a run that may be skipped because a loss or gradient is NaN or infinite."""


class OptimConfig(Section):
    """Optimizer and learning rate."""

    name: Literal["adam", "adamw", "sgd"] = "adam"
    lr: Annotated[float, Field(gt=0)] = 1e-4
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
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
    precision: Literal["auto", "fp32", "bf16", "fp16", "mixed"] = "auto"
    """auto: bf16 on CUDA, fp32 on a CPU. mixed: bf16 in the parts of an HRNet that bear it best,
    which keeps heatmaps within a percent of their peak and is worth it on a CPU with AMX."""
    joint_score: Literal["heatmap_times_box", "heatmap"] = "heatmap_times_box"
    """Score of a joint: its heatmap peak, times the box score or alone."""
    fast: bool = True
    """Run a copy of the network that is made ready for inference (dcpose/models/fast.py); false
    runs it as it is trained, the reference."""
    cuda_graphs: bool = False
    """On CUDA: record the fast network once for each of a few batch sizes, and replay it."""
    flip: bool = False
    """Average with the heatmaps of the mirrored clip."""
    oks_nms: Annotated[float, Field(gt=0, le=1)] | None = None
    """Drop poses that resemble a better one of their frame more than this OKS; null drops none."""
    track: bool = False
    """Write track ids that follow people through the video; else ids are unique in a frame only."""


class Config(Section):
    """Everything that defines a run."""

    experiment: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    """Name of the run folder's parent: letters, digits, dot, dash, underscore."""
    seed: Count = 0
    data: DataConfig
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()
    optim: OptimConfig = OptimConfig()
    test: TestConfig = TestConfig()

    @model_validator(mode="after")
    def _check_single_images(self) -> "Config":
        if self.data.layout == "coco" and self.test.track:
            raise ValueError(
                "data.layout is coco, which has single images: there is nobody to follow; set "
                "test.track=false"
            )
        if self.data.layout == "coco" and self.model.name != "single_frame":
            raise ValueError(
                f"data.layout is coco, which has single images, with model.name {self.model.name}, "
                "which needs clips; set model.name=single_frame"
            )
        return self

    @model_validator(mode="after")
    def _check_mixed_precision(self) -> "Config":
        if self.test.precision != "mixed":
            return self
        if not self.test.fast or self.model.backbone.name != "hrnet":
            raise ValueError(
                f"test.precision=mixed needs test.fast=true and an HRNet backbone, found "
                f"test.fast={str(self.test.fast).lower()} and model.backbone.name="
                f"{self.model.backbone.name}; use fp32 or bf16"
            )
        return self

    @model_validator(mode="after")
    def _check_cached_heatmaps(self) -> "Config":
        if self.train.cache_heatmaps is None:
            return self
        backbone = self.model.backbone
        if self.model.name != "dcpose" or not (backbone.frozen and backbone.frozen_bn):
            raise ValueError(
                "train.cache_heatmaps keeps what a backbone gives that never changes; set "
                "model.name=dcpose, model.backbone.frozen=true and model.backbone.frozen_bn=true, "
                "or train.cache_heatmaps=null"
            )
        if self.data.draws is None and not (self.data.augment.is_off and self.data.max_gap == 1):
            raise ValueError(
                "train.cache_heatmaps needs training clips that come again, but they are drawn "
                "anew in every epoch; set data.draws=K for K sets of them, or switch everything "
                "in data.augment off with data.max_gap=1"
            )
        return self


def load_config(
    path: str | Path, overrides: Sequence[str] = (), on: str | Path | None = None
) -> Config:
    """Read a config file, its parents and overrides.

    Args:
        path: YAML file; `base:` inside it names its parent, relative to the file.
        overrides: `key=value` tokens, or `key`, `value` pairs of tokens, mixed freely.
        on: config that takes the place of the parents in other folders, so that what the files of
            one folder say, such as the rows of an ablation, is applied to it.

    Raises:
        ConfigError: (a ValueError) one line for each problem: missing file, bad YAML, cycle of
            `base:`, unknown key with the nearest valid names, wrong type or value.
    """
    layers = read_layers(Path(path))
    if on is not None:
        folder = Path(path).parent.resolve()
        own = [layer for layer in layers if Path(layer.origin).parent.resolve() == folder]
        layers = [*read_layers(Path(on)), *own]
    return parse_config([*layers, read_overrides(overrides)])


def parse_config(layers: Sequence[Layer]) -> Config:
    """Merge layers, later ones over earlier ones, and check the result; see `load_config`."""
    values, origins = merge_layers(layers, alternatives=ALTERNATIVES)
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise ConfigError(describe_problems(error, values, origins, Config)) from None


def config_from_dict(values: dict[str, Any], origin: str) -> Config:
    """Check a plain dict, such as the one a checkpoint carries; `origin` names it in errors."""
    return parse_config([Layer(origin=origin, values=values)])


def config_to_dict(cfg: Config) -> dict[str, Any]:
    """Return plain, YAML- and JSON-safe values of every key, defaults included."""
    return cfg.model_dump(mode="json")


def dump_config(cfg: Config) -> str:
    """Return the resolved config as YAML that `load_config` reads back."""
    return yaml.safe_dump(config_to_dict(cfg), sort_keys=False, default_flow_style=None)
