"""The model sections of the config: which network, and its sizes."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, SerializeAsAny, model_validator

from dcpose.config.section import (
    YAML_TUPLE,
    Choice,
    Integers,
    Neighbors,
    PathText,
    Positive,
    Probability,
    Section,
    Size,
)


class BackboneSection(Choice):
    """The network that encodes each frame by itself; its name decides the other keys."""

    default = "hrnet"
    side_multiple: ClassVar[int] = 32
    """Sides of crops are multiples of this."""
    has_layers: ClassVar[bool] = False
    """Its layers can have learning rates of their own."""

    name: str
    weights: PathText | None = None
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

    name: Literal["simple_baseline"] = "simple_baseline"
    depth: Literal[18, 34, 50, 101, 152] = 50
    """Layers of the ResNet."""
    deconv_channels: Positive = 256
    """Channels of the transposed convolutions; fewer for tiny runs."""


class VitConfig(BackboneSection):
    """ViTPose.

    Published sizes, as width, depth, heads: S 384, 12, 12; B 768, 12, 12; L 1024, 24, 16;
    H 1280, 32, 16.
    """

    side_multiple = 16
    has_layers = True

    name: Literal["vit"] = "vit"
    width: Positive = 768
    """Channels of a token."""
    depth: Positive = 12
    """Blocks."""
    heads: Positive = 12
    """Of each attention; they divide the width. Shapes in a file do not tell them."""
    decoder: Literal["classic", "simple"] = "classic"
    """classic: two transposed convolutions; simple: bilinear and a 3x3 convolution."""
    decoder_channels: Positive = 256
    """Of the transposed convolutions."""
    image_wh: Size = (192, 256)
    """Input that the table of positions in a file belongs to, (width, height); other crops resample
    it."""
    drop_path: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Probability that training leaves out a branch of the last block; rises linearly from 0."""

    @model_validator(mode="after")
    def _check_sizes(self) -> "VitConfig":
        if self.width % self.heads:
            raise ValueError(
                f"model.backbone.heads: found {self.heads}, expected a divisor of "
                f"model.backbone.width={self.width}"
            )
        if any(side % self.side_multiple for side in self.image_wh):
            raise ValueError(
                f"model.backbone.image_wh: found {list(self.image_wh)}, expected multiples of "
                f"{self.side_multiple}"
            )
        return self


class NeckConfig(Section):
    """A light feature pyramid."""

    channels: Positive = 96


class EfficientNetLiteConfig(BackboneSection):
    """EfficientNet-Lite0 and a light pyramid; `weights` takes its ImageNet file, too."""

    name: Literal["efficientnet_lite"] = "efficientnet_lite"
    neck: NeckConfig = NeckConfig()
    frozen_blocks: Annotated[int, Field(ge=0, le=16)] = 0
    """Blocks, from the first on, that training leaves as they are, with the stem; 16 are all."""
    trunk_bn: Literal["train", "keep"] = "train"
    """keep: BatchNorm before the pyramid keeps its statistics, those of ImageNet."""


class TimmConfig(BackboneSection):
    """A network of timm that gives features at several strides, and a light pyramid."""

    name: Literal["timm"] = "timm"
    model: str
    """What timm calls it, such as tf_efficientnet_lite0."""
    image_wh: Size = (192, 256)
    """data.crop_wh, for networks with a table of positions; others take images of any size."""
    neck: NeckConfig = NeckConfig()
    pretrained: bool = False
    """Start training from timm's own weights, which timm fetches."""


class _Replaceable(Section):
    """A chain of residual-steps blocks, or what replaces it in Table 5."""

    place: ClassVar[str]
    replaced_by: str | None = None
    blocks: Positive | None
    channels: Positive | None

    @model_validator(mode="after")
    def _check_size(self) -> "_Replaceable":
        sizes = {f"{self.place}.blocks": self.blocks, f"{self.place}.channels": self.channels}
        absent = [key for key, value in sizes.items() if value is None]
        if self.replaced_by is None and absent:
            raise ValueError(f"{absent[0]} is null, expected an integer greater than 0")
        present = {key: value for key, value in sizes.items() if value is not None}
        if self.replaced_by is not None and present:
            found = ", ".join(f"{key}={value}" for key, value in present.items())
            nulls = " ".join(f"{key}=null" for key in present)
            raise ValueError(
                f"{self.place}.replaced_by={self.replaced_by} removes the module, but its size is "
                f"set: {found}; set {nulls}, or keep the module with {self.place}.replaced_by=null"
            )
        return self


class PrfConfig(_Replaceable):
    """Pose Residual Fusion: a chain of residual-steps blocks, or what replaces it in Table 5."""

    place = "model.prf"
    replaced_by: Literal["sum_conv"] | None = None
    """sum_conv: the sum of the residuals and a 3x3 convolution; blocks and channels are null."""
    blocks: Positive | None = 2
    channels: Positive | None = 34
    """Output channels."""
    second_residual: Literal["cur_minus_next", "next_minus_cur"] = "cur_minus_next"
    """Sign of the residual to the next frame: as released, or as the paper's Eq. 4 has it."""


class PtmConfig(_Replaceable):
    """Pose Temporal Merger: a chain of residual-steps blocks, or what replaces it in Table 5."""

    place = "model.ptm"
    replaced_by: Literal["sum_conv", "current"] | None = None
    """sum_conv: the sum of the frames' heatmaps and a 3x3 convolution; current: the heatmaps of
    the current frame as they are; with either, blocks and channels are null."""
    blocks: Positive | None = 1
    channels: Positive | None = 17
    """Output channels, the maps that the correction resamples; one per joint in the release."""


class FusionConfig(Section):
    """Joint trunk in front of offsets and masks: a chain of residual-steps blocks."""

    blocks: Positive = 2
    channels: Positive = 64
    """Output channels."""


def _check_dilations(dilations: Integers) -> Integers:
    if not dilations or len(set(dilations)) != len(dilations):
        raise ValueError("expected at least one dilation, each once")
    return dilations


Dilations = Annotated[Integers, AfterValidator(_check_dilations)]
"""One deformable convolution each."""


class PcnConfig(Section):
    """Pose Correction Network."""

    dilations: Dilations = (3, 6, 9, 12, 15)
    """One deformable convolution each."""
    deform_conv: Literal["auto", "torchvision", "gather", "mmcv"] = "auto"
    """Implementation of the deformable convolution; auto takes the fastest for the device."""
    masks: Literal["raw", "sigmoid"] = "raw"
    """raw: as released; sigmoid: between 0 and 1, as in DCNv2. The paper does not say."""


class WarperConfig(Section):
    """PoseWarper: a chain of residual blocks, and deformable convolutions."""

    blocks: Positive = 20
    channels: Positive = 128
    """Channels of the chain."""
    dilations: Dilations = (3, 6, 12, 18, 24)
    """One deformable convolution each."""


class JtaConfig(Section):
    """TAR's joint-centric temporal aggregation."""

    layers: Positive = 6
    heads: Positive = 4
    """Of each attention, those of the restoring one too; they divide the features' channels."""
    threshold: Probability | None = 0.2
    """A query does not look at tokens where its joint's heatmap, scaled to 0 .. 1 in each frame, is
    below this; null lets it look everywhere."""


class ModelSection(Choice):
    """The network; its name decides the other keys.

    Attributes:
        clip_lengths: numbers of frames that `data.offsets` may name; None takes any odd one.
        draws_frames: frames of a training clip are drawn, whatever `data.max_gap` is.
    """

    default = "dcpose"
    clip_lengths: ClassVar[tuple[int, ...] | None] = None
    draws_frames: ClassVar[bool] = False

    name: str
    num_joints: Positive = 17
    backbone: SerializeAsAny[BackboneSection] = HRNetConfig()

    @property
    def num_frames(self) -> int | None:
        """Frames that the network is made for; None if it takes any number of them."""
        return None

    @property
    def looks_ahead(self) -> bool:
        """Whether a pose needs frames after its own, of the three that such a network is given."""
        return True

    @property
    def has_constant_backbone(self) -> bool:
        """Whether training leaves the backbone as it is, statistics included."""
        return self.backbone.frozen and self.backbone.frozen_bn


class DCPoseConfig(ModelSection):
    """DCPose: heatmaps of three frames, merged and corrected."""

    clip_lengths = (3,)

    name: Literal["dcpose"] = "dcpose"
    start: Literal["released", "identity"] = "released"
    """released: the untrained head gives maps near 0, as in the release; identity: it gives the
    backbone's heatmaps of the current frame, and training starts from there."""
    neighbors: Neighbors = ("prev", "next")
    """Frames that DCPose looks at besides the current one; the backbone does not see the others."""
    grouping: Literal["dense", "joint"] = "dense"
    """Convolutions of PTM and PRF: dense mixes the joints, as released; joint has a group per
    joint, as the paper's text says (Sec. 3.1)."""
    prf: PrfConfig = PrfConfig()
    ptm: PtmConfig = PtmConfig()
    fusion: FusionConfig = FusionConfig()
    pcn: PcnConfig = PcnConfig()

    @property
    def looks_ahead(self) -> bool:
        """Whether the next frame is among the neighbours."""
        return "next" in self.neighbors

    @model_validator(mode="after")
    def _check_neighbors(self) -> "DCPoseConfig":
        if not self.neighbors:
            raise ValueError(
                "model.neighbors is empty, but the PRF fuses differences to neighbours; keep prev "
                "or next, or take the backbone alone with model.name=single_frame"
            )
        if len(set(self.neighbors)) < len(self.neighbors):
            raise ValueError(
                f"model.neighbors: found {list(self.neighbors)}, expected prev and next, each once"
            )
        return self

    @model_validator(mode="after")
    def _check_grouping(self) -> "DCPoseConfig":
        if self.grouping == "dense":
            return self
        for name, channels in (("ptm", self.ptm.channels), ("prf", self.prf.channels)):
            if channels is not None and channels % self.num_joints:
                raise ValueError(
                    f"model.{name}.channels is {channels}, expected a multiple of "
                    f"model.num_joints={self.num_joints} with model.grouping=joint"
                )
        return self


class SingleFrameConfig(ModelSection):
    """The backbone alone: stage one of training, and the baseline."""

    clip_lengths = (1,)

    name: Literal["single_frame"] = "single_frame"

    @model_validator(mode="after")
    def _check_that_something_is_trained(self) -> "SingleFrameConfig":
        if self.backbone.frozen:
            raise ValueError(
                "model.name is single_frame with model.backbone.frozen true, which leaves nothing "
                "to train; set model.backbone.frozen=false"
            )
        return self


class PoseWarperConfig(ModelSection):
    """PoseWarper: pairs of frames in training, frames t-2 to t+2 in val and test."""

    clip_lengths = ()
    draws_frames = True

    name: Literal["posewarper"] = "posewarper"
    warper: WarperConfig = WarperConfig()


class TarConfig(ModelSection):
    """TAR-ViTPose: joint queries gather tokens of all frames.

    These are t-2 to t+2 unless data.offsets says otherwise.
    """

    name: Literal["tar"] = "tar"
    jta: JtaConfig = JtaConfig()
    token_order: Literal["paper", "release"] = "paper"
    """paper: a token is a patch, and a mask row a joint; release: the released code's order of
    memory, for weights that were trained with it."""


class FamiConfig(ModelSection):
    """FAMI-Pose: features of the other frames are aligned with the current one's.

    These are t-2 to t+2 unless data.offsets says otherwise.
    """

    name: Literal["fami"] = "fami"
    frames: Literal[3, 5] = 5
    """Frames of a clip; 3 needs data.offsets of as many."""
    channels: Positive = 48
    """Of all maps; other features go through a 1x1 convolution first."""
    offset_groups: Positive = 12
    """Of the deformable convolutions; they divide the channels."""
    mutual_information: Annotated[float, Field(ge=0)] = 0.0
    """Factor of the release's second loss, 0.5 there, which is not the bound of the paper; 0 leaves
    it out. It needs a backbone whose output layer takes these channels at stride 4."""

    @property
    def num_frames(self) -> int:
        """Frames that the network is made for."""
        return self.frames

    @model_validator(mode="after")
    def _check_groups(self) -> "FamiConfig":
        if self.channels % self.offset_groups:
            raise ValueError(
                f"model.offset_groups: found {self.offset_groups}, expected a divisor of "
                f"model.channels={self.channels}"
            )
        return self
