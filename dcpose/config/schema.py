"""What defines a run: its sections, and what spans several of them (files: `config.loading`).

Paths inside a config (`data.root`, weights) are relative to the working directory.
"""

from typing import Annotated, Literal

from pydantic import Field, SerializeAsAny, field_validator, model_validator

from dcpose.config.data import DataSection
from dcpose.config.models import DCPoseConfig, ModelSection
from dcpose.config.section import (
    YAML_TUPLE,
    Count,
    Integers,
    PathText,
    Positive,
    PositiveFloat,
    Section,
)


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
    box_enlarge: Annotated[float, Field(gt=0)] | None = None
    """Factor on boxes that touch people, before crops are cut outside training; annotated boxes of
    PoseTrack, which are 1.2 times as long as such, are enlarged by that much less. null takes
    data.box_enlarge, for all boxes alike."""
    flip: bool = False
    """Average with the heatmaps of the mirrored clip."""
    zoom: Annotated[float, Field(ge=1, le=2)] = 1.0
    """With flip: how much larger the clip that is not mirrored is shown, cut off around its middle,
    so that the network sees everybody at two sizes."""
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
    def _check_together(self) -> "Config":
        for check in (
            self._check_crop,
            self._check_offsets,
            self._check_single_images,
            self._check_training,
            self._check_bf16_branches,
            self._check_sets,
            self._check_kept_encodings,
        ):
            check()
        return self

    def _check_crop(self) -> None:
        multiple, crop_wh = self.model.backbone.side_multiple, self.data.crop_wh
        if any(side % multiple for side in crop_wh):
            nearest = [max(multiple, round(side / multiple) * multiple) for side in crop_wh]
            raise ValueError(
                f"data.crop_wh: found {list(crop_wh)}: both sides must be multiples of {multiple} "
                f"with model.backbone.name={self.model.backbone.name}; the nearest size is "
                f"{nearest}"
            )

    def _check_offsets(self) -> None:
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

    def _check_single_images(self) -> None:
        if self.data.has_clips:
            return
        found = f"data.layout is {self.data.layout}, which has single images"
        if self.test.track:
            raise ValueError(f"{found}: there is nobody to follow; set test.track=false")
        if self.model.name != "single_frame":
            raise ValueError(
                f"{found}, with model.name {self.model.name}, which needs clips; set "
                "model.name=single_frame"
            )

    def _check_training(self) -> None:
        factors = self.train.joint_weights
        if factors is not None and len(factors) != self.model.num_joints:
            raise ValueError(
                f"train.joint_weights: found {len(factors)} factors, expected one for each of "
                f"model.num_joints={self.model.num_joints}"
            )
        if self.optim.layer_decay != 1 and not self.model.backbone.has_layers:
            raise ValueError(
                f"optim.layer_decay: found {self.optim.layer_decay}, expected 1 with "
                f"model.backbone.name={self.model.backbone.name}, whose layers have one rate"
            )

    def _check_bf16_branches(self) -> None:
        if self.test.precision != "bf16_branches":
            return
        if not self.test.fast or self.model.backbone.name != "hrnet":
            raise ValueError(
                f"test.precision=bf16_branches needs test.fast=true and an HRNet backbone, found "
                f"test.fast={str(self.test.fast).lower()} and model.backbone.name="
                f"{self.model.backbone.name}; use fp32 or bf16"
            )

    def _check_sets(self) -> None:
        sets = self.data.sets
        if sets is None:
            return
        shares = [one.share is not None for one in sets]
        if any(shares) and not all(shares):
            raise ValueError("data.sets: some have a share and others not; give all one, or none")
        if self.data.group_frames:
            raise ValueError(
                "data.sets mixes people of different frames, which data.group_frames="
                f"{self.data.group_frames} would keep together; set data.group_frames=0"
            )
        kept = {"train.cache_encodings": self.train.cache_encodings, "data.draws": self.data.draws}
        for name, value in kept.items():
            if value is not None:
                raise ValueError(f"data.sets draws people anew in every epoch; set {name}=null")

    def _check_kept_encodings(self) -> None:
        if self.train.cache_encodings is None:
            return
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
