"""The only file that turns a config into objects."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from dcpose import heatmap
from dcpose.config import Config, ModelConfig, config_to_dict
from dcpose.data.augment import Augmentation
from dcpose.data.clip import ClipFrames, ClipOptions
from dcpose.data.coco import read_coco
from dcpose.data.dataset import PoseTrackClips
from dcpose.data.detections import describe_detector, read_detections
from dcpose.data.heatmap_cache import HeatmapCache, hash_clips, hash_weights
from dcpose.data.loader import make_train_loader
from dcpose.data.merged import write_videos
from dcpose.data.posetrack import FRAME_DIGITS, VideoAnnotation, read_annotations
from dcpose.data.stream import ClipStream
from dcpose.engine.cuda_graphs import GraphedNetwork
from dcpose.engine.distributed import barrier
from dcpose.engine.inference import HEATMAP_STRIDE, predict
from dcpose.engine.logging import with_progress
from dcpose.engine.optim import make_optimizer
from dcpose.engine.precision import Precision, autocast, precision_name, resolve_precision
from dcpose.engine.train_settings import TrainSettings
from dcpose.models.blocks import residual_chain
from dcpose.models.correction import PoseCorrectionNetwork
from dcpose.models.dcpose import DCPose
from dcpose.models.fast import prepare_for_inference
from dcpose.models.hrnet import HRNet
from dcpose.models.initialise import init_weights
from dcpose.models.posewarper import REACH, HeatmapWarper, PoseWarper
from dcpose.models.simple_baseline import SimpleBaseline
from dcpose.models.single_frame import SingleFrame
from dcpose.models.temporal import (
    CurrentHeatmaps,
    PoseResidualFusion,
    PoseTemporalMerger,
    SummedHeatmaps,
    SummedResiduals,
)
from dcpose.models.weights import load_backbone_weights, load_weights
from dcpose.skeleton import POSETRACK, Skeleton
from dcpose.skeleton_files import read_skeleton
from dcpose.structures import ClipBatch, PersonRecord, PosePrediction

Split = Literal["train", "val", "test"]
Model = DCPose | SingleFrame | PoseWarper

_log = logging.getLogger(__name__)


def build_model(cfg: Config, weights: str | Path | None = None) -> Model:
    """Build the network.

    Args:
        cfg: see `load_config`.
        weights: our own checkpoint, or a file in a released layout; every parameter must be in
            it. None initialises as the paper does, from the seed of the config.

    Returns:
        The model in eval mode on the CPU; call it with frames (B, F, 3, H, W), normalised RGB
        crops, prev, cur, next for DCPose, and gaps (B, 2); it returns heatmaps
        (B, J, H / 4, W / 4).

    Raises:
        ValueError: lists missing, unexpected and misshapen keys of the weights; or if the
            deformable convolution is mmcv's and mmcv is not there.
    """
    generator = torch.Generator().manual_seed(cfg.seed)
    with torch.random.fork_rng(devices=[]):  # torch's own initialisation, replaced below, draws
        backbone = build_backbone(cfg)
        model = _on_backbone(cfg, backbone)
    init_weights(backbone, generator)
    if not isinstance(model, SingleFrame):
        model.init_head(generator)
    if weights is not None:
        _log.info("weights: %s", load_weights(model, weights))
    return model.eval()


def build_model_to_train(cfg: Config, weights: str | Path | None = None) -> Model:
    """Build the network as training starts with it.

    Args:
        cfg: `model.backbone.weights` fills the backbone.
        weights: fills the whole model instead, to continue from somebody's training.

    Raises:
        ValueError: if weights do not fit, or a frozen backbone would stay random.
    """
    if weights is not None:
        return build_model(cfg, weights)
    model = build_model(cfg)
    if cfg.model.backbone.weights is not None:
        report = load_backbone_weights(model.backbone, cfg.model.backbone.weights)
        _log.info("backbone weights: %s", report)
    elif cfg.model.backbone.frozen:
        raise ValueError(
            "the backbone is frozen and has no weights, so it would stay random: set "
            "model.backbone.weights=FILE (from a single_frame run, or released pose weights), "
            "give --weights, or train it too with model.backbone.frozen=false"
        )
    return model


def count_trainable(cfg: Config) -> int:
    """Return the number of parameters that training would move, without making any."""
    with torch.device("meta"):
        model = _on_backbone(cfg, build_backbone(cfg))
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def build_backbone(cfg: Config) -> nn.Module:
    """Build the network that maps images (N, 3, H, W) to heatmaps (N, J, H / 4, W / 4)."""
    backbone, num_joints = cfg.model.backbone, cfg.model.num_joints
    if backbone.name == "simple_baseline":
        return SimpleBaseline(backbone.depth, num_joints, backbone.deconv_channels)
    return HRNet(
        width=backbone.width,
        num_joints=num_joints,
        modules=backbone.modules,
        blocks=backbone.blocks,
        stem_channels=backbone.stem_channels,
    )


def _on_backbone(cfg: Config, backbone: nn.Module) -> Model:
    model = cfg.model
    if model.name == "single_frame":
        return SingleFrame(backbone)
    if model.name == "posewarper":
        sizes = model.warper
        warper = HeatmapWarper(model.num_joints, sizes.blocks, sizes.channels, sizes.dilations)
        return PoseWarper(backbone, warper, model.backbone.frozen, model.backbone.frozen_bn)
    if model.pcn.deform_conv == "mmcv":
        _require_mmcv()
    ptm, merged_channels = _merger(model)
    prf, residual_channels = _residual_fusion(model)
    return DCPose(
        backbone=backbone,
        ptm=ptm,
        prf=prf,
        fusion=residual_chain(
            residual_channels + merged_channels, model.fusion.channels, model.fusion.blocks
        ),
        pcn=PoseCorrectionNetwork(
            feature_channels=model.fusion.channels,
            merged_channels=merged_channels,
            num_joints=model.num_joints,
            dilations=model.pcn.dilations,
            implementation=model.pcn.deform_conv,
            masks=model.pcn.masks,
        ),
        frozen=model.backbone.frozen,
        frozen_bn=model.backbone.frozen_bn,
        neighbors=model.neighbors,
    )


def _merger(model: ModelConfig) -> tuple[nn.Module, int]:
    """Return the PTM, or what replaces it, and the number of its output channels."""
    ptm, groups, joints = model.ptm, _groups(model), model.num_joints
    if ptm.replaced_by == "current":
        return CurrentHeatmaps(model.neighbors), joints
    if ptm.blocks is None or ptm.channels is None:  # the config makes sure that it is replaced
        return SummedHeatmaps(joints, groups), joints
    merger = PoseTemporalMerger(joints, ptm.blocks, ptm.channels, model.neighbors, groups)
    return merger, ptm.channels


def _residual_fusion(model: ModelConfig) -> tuple[nn.Module, int]:
    """Return the PRF, or what replaces it, and the number of its output channels."""
    prf, groups, joints = model.prf, _groups(model), model.num_joints
    if prf.blocks is None or prf.channels is None:  # the config makes sure that it is replaced
        return SummedResiduals(joints, model.neighbors, groups, prf.second_residual), joints
    fusion = PoseResidualFusion(
        joints, prf.blocks, prf.channels, model.neighbors, groups, prf.second_residual
    )
    return fusion, prf.channels


def _groups(model: ModelConfig) -> int:
    return model.num_joints if model.grouping == "joint" else 1


def _require_mmcv() -> None:
    try:
        import mmcv.ops  # noqa: F401 - optional
    except ImportError as error:
        raise ValueError(
            f"model.pcn.deform_conv: found 'mmcv', but its operators cannot be imported ({error}); "
            f"install mmcv, or set model.pcn.deform_conv=auto"
        ) from error


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
        return read_coco(source, _root(cfg) / (image_folder or ""), build_skeleton(cfg))
    videos = read_annotations(source, _root(cfg), build_skeleton(cfg), image_folder)
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
    return _root(cfg) / paths[split]


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
        path = _root(cfg) / detections
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
    detector = describe_detector(_root(cfg) / detections)
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


def build_train_loader(
    cfg: Config, rank: int = 0, world_size: int = 1, pin_memory: bool = False
) -> DataLoader[ClipBatch]:
    """Build the loader of augmented training clips; see `make_train_loader`."""
    dataset = PoseTrackClips(
        read_videos(cfg, "train"),
        build_clip_options(cfg, training=True),
        build_augmentation(cfg),
        seed=cfg.seed,
        skeleton=build_skeleton(cfg),
        draws=cfg.data.draws,
    )
    return make_train_loader(
        dataset,
        batch_size=cfg.train.batch_size,
        workers=cfg.data.workers,
        seed=cfg.seed,
        rank=rank,
        world_size=world_size,
        pin_memory=pin_memory,
        group_frames=cfg.data.group_frames,
        timeout_s=cfg.train.timeout_s,
    )


def build_cached_train_loader(
    cfg: Config, model: DCPose, dataset: PoseTrackClips, rank: int, world_size: int
) -> DataLoader[ClipBatch]:
    """Build the loader of the same clips with heatmaps of the frozen backbone instead of crops.

    Heatmaps that are not in the folder yet are computed first, by the main process.

    Args:
        cfg: its `train.cache_heatmaps` names the folder.
        model: in training mode, on its device.
        dataset: the clips.
        rank: this process.
        world_size: number of processes.

    Raises:
        ValueError: if the folder holds heatmaps of other weights, data or config.
        WriteError: if they cannot be written.
    """
    device = next(model.parameters()).device
    dtype = resolve_precision(cfg.train.precision, device)

    @torch.no_grad()
    def heatmaps_of(batch: ClipBatch) -> Tensor:
        frames = batch.to(device).network_input()
        with autocast(device, dtype):
            return model.image_heatmaps(frames.flatten(0, 1)).unflatten(0, tuple(frames.shape[:2]))

    folder = Path(cfg.train.cache_heatmaps or "")
    cache = HeatmapCache(folder, _cache_key(cfg, model, dataset, dtype), cfg.data.draws or 1)
    if rank == 0:
        cache.fill(dataset, heatmaps_of, cfg.train.batch_size, cfg.data.workers, with_progress)
    barrier()
    return make_train_loader(
        cache.clips(dataset.people, model.seen),  # type: ignore[arg-type]  # same length and keys
        batch_size=cfg.train.batch_size,
        workers=0,  # rows of a memory map: nothing to decode
        seed=cfg.seed,
        rank=rank,
        world_size=world_size,
        pin_memory=device.type == "cuda",
        group_frames=cfg.data.group_frames,
    )


def _cache_key(
    cfg: Config, model: DCPose, dataset: PoseTrackClips, dtype: torch.dtype
) -> dict[str, Any]:
    """Return all that the heatmaps of the training clips depend on."""
    values = config_to_dict(cfg)
    data = ("crop_wh", "box_enlarge", "max_gap", "missing_neighbors", "augment", "draws")
    backbone = values["model"]["backbone"]
    return {
        "weights": hash_weights(model.backbone),
        "clips": hash_clips(dataset),
        "seed": cfg.seed,
        "precision": str(dtype),
        "data": {name: values["data"][name] for name in data},
        "backbone": {name: value for name, value in backbone.items() if name != "weights"},
    }


def build_stream(
    cfg: Config,
    videos: Sequence[VideoAnnotation],
    people: dict[str, list[PersonRecord]],
    pin_memory: bool = False,
) -> ClipStream:
    """Build the batches of inference clips of some videos."""
    return ClipStream(
        videos,
        people,
        build_clip_options(cfg, training=False),
        batch_size=cfg.test.batch_size,
        workers=max(1, cfg.data.workers),
        pin_memory=pin_memory,
    )


def resolve_test_precision(cfg: Config, device: torch.device) -> torch.dtype:
    """Return the lowest number format of inference; see `resolve_precision`."""
    if cfg.test.precision == "mixed":
        return torch.bfloat16
    return resolve_precision(cfg.test.precision, device)


def describe_test_precision(cfg: Config, device: torch.device) -> str:
    """Return the name of the number format of inference, for the protocol."""
    if cfg.test.precision == "mixed":
        return "mixed"
    return precision_name(resolve_test_precision(cfg, device))


def build_predictor(
    cfg: Config, model: nn.Module, device: torch.device
) -> Callable[[Iterable[ClipBatch]], Iterator[PosePrediction]]:
    """Build the function that turns inference clips into poses; see `engine.inference.predict`.

    It sees the weights as they are now: of a model that is trained on, build another one.
    """
    precision: Precision = "fp32"  # for what is left to `predict`: a prepared network has its own
    if cfg.test.fast:
        dtype = resolve_test_precision(cfg, device)
        mixed = cfg.test.precision == "mixed"
        model = prepare_for_inference(model, dtype, robust_parts_alone=mixed)
    elif cfg.test.precision != "mixed":  # the config makes sure
        precision = cfg.test.precision
    if cfg.test.cuda_graphs:
        if device.type != "cuda" or not cfg.test.fast:
            raise ValueError(
                f"test.cuda_graphs needs CUDA and test.fast=true, found device {device.type} and "
                f"test.fast={str(cfg.test.fast).lower()}; set test.cuda_graphs=false"
            )
        model = GraphedNetwork(model)
    return partial(
        predict,
        model,
        device=device,
        precision=precision,
        flip=build_skeleton(cfg) if cfg.test.flip else None,
    )


def build_target_encoder(cfg: Config) -> Callable[[ClipBatch], tuple[Tensor, Tensor]]:
    """Build the map from a batch to target heatmaps (B, J, h, w) and weights (B, J)."""
    crop_wh = cfg.data.crop_wh
    heatmap_wh = (crop_wh[0] // HEATMAP_STRIDE, crop_wh[1] // HEATMAP_STRIDE)

    def encode(batch: ClipBatch) -> tuple[Tensor, Tensor]:
        if batch.joints is None or batch.joint_weights is None:
            raise ValueError("the batch carries no joints: it was made for inference")
        return heatmap.encode(
            batch.joints, batch.joint_weights, crop_wh, heatmap_wh, cfg.data.sigma
        )

    return encode


def build_optimizer(cfg: Config, model: nn.Module) -> torch.optim.Optimizer:
    """Build the optimizer of the parameters that are trained."""
    return make_optimizer(
        model.parameters(), cfg.optim.name, cfg.optim.lr, weight_decay=cfg.optim.weight_decay
    )


def build_train_settings(cfg: Config) -> TrainSettings:
    """Collect the knobs of the training loop."""
    return TrainSettings(
        epochs=cfg.train.epochs,
        precision=cfg.train.precision,
        accumulate=cfg.train.accumulate,
        clip_grad_norm=cfg.train.clip_grad_norm,
        ema_decay=cfg.train.ema_decay,
        validate_every=cfg.train.validate_every,
        log_every=cfg.train.log_every,
        save_every=cfg.train.save_every,
        nonfinite_limit=cfg.train.nonfinite_limit,
    )


def _root(cfg: Config) -> Path:
    root = Path(cfg.data.root)
    if not root.is_dir():
        raise ValueError(f"data.root: no such folder: {root} (working directory: {Path.cwd()})")
    return root
