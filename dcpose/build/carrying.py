"""How a model finds the people of labelled frames in neighbouring frames."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor

from dcpose import heatmap
from dcpose.build.data import build_clip_options
from dcpose.build.inference import build_predictor, build_stream
from dcpose.build.runtime import Network
from dcpose.config.schema import Config
from dcpose.data.carried import Carried
from dcpose.data.clip import Clip
from dcpose.data.frames import read_frame
from dcpose.data.stream import cut_clip
from dcpose.formats.posetrack.records import VideoAnnotation
from dcpose.geometry import apply_affine, cell_wh, invert_affine
from dcpose.iteration import groups_of
from dcpose.models.posewarper import PoseWarper
from dcpose.structures import ClipBatch, ClipSample, PersonRecord, PosePrediction

Carrier = Callable[[Sequence[Carried]], list[PosePrediction]]
"""Finds people; poses come in any order, `person` of each is that of a `Carried`."""


def build_carrier(cfg: Config, network: Network, device: torch.device) -> Carrier:
    """Build what finds people of labelled frames in other frames.

    A PoseWarper carries the labels over, as its authors do; other models find the pose anew, in the
    box that the labels tell.
    """
    data = cfg.data.model_copy(update={"missing_neighbors": "repeat"})
    cfg = cfg.model_copy(update={"data": data})
    if cfg.model.name == "posewarper":
        warper = cast(PoseWarper, network)
        return lambda carried: list(_warped(cfg, warper, device, carried))
    predict = build_predictor(cfg, network, device)

    def find(carried: Sequence[Carried]) -> list[PosePrediction]:
        videos: dict[str, VideoAnnotation] = {}
        people: dict[str, list[PersonRecord]] = defaultdict(list)
        for one in carried:
            videos[one.video.name] = one.video
            people[one.video.name].append(one.person)
        return list(predict(build_stream(cfg, list(videos.values()), people)))

    return find


def describe_carrier(cfg: Config) -> str:
    """Return how people are found, in words."""
    if cfg.model.name == "posewarper":
        return "labels warped by PoseWarper"
    return f"poses found by {cfg.model.name}"


@torch.inference_mode()
def _warped(
    cfg: Config, network: PoseWarper, device: torch.device, carried: Sequence[Carried]
) -> Iterator[PosePrediction]:
    """Yield the labels of people, carried over to the frames where they have none."""
    options = build_clip_options(cfg, training=False)
    heatmap_wh = tuple(side // network.stride for side in cfg.data.crop_wh)
    cell = cell_wh(cfg.data.crop_wh, (heatmap_wh[0], heatmap_wh[1]), cfg.data.affine)
    for group in groups_of(carried, cfg.test.batch_size):
        frames: dict[Path, np.ndarray] = {}
        samples = []
        for one in group:
            pair = Clip((one.labelled.frame, one.person.frame))
            paths = [one.video.frame_path(number) for number in pair.numbers]
            for path in paths:
                if path not in frames:
                    frames[path] = read_frame(path)
            samples.append(cut_clip(one.person, pair, [frames[p] for p in paths], options))
        batch = ClipBatch.stack(samples).to(device)
        targets, _ = heatmap.encode(
            *_labels(group, samples),
            cfg.data.crop_wh,
            (heatmap_wh[0], heatmap_wh[1]),
            cfg.data.sigma,
            unbiased=cfg.data.affine == "udp",
        )
        maps = network.propagate(batch.network_input(), targets.to(device))
        joints, scores = heatmap.DECODERS[cfg.test.decoding](maps.float().cpu())
        places = heatmap.heatmap_to_image(joints, batch.crop_to_image.cpu(), cell)
        for row, one in enumerate(group):
            yield PosePrediction(one.person, places[row].numpy(), scores[row].double().numpy())


def _labels(group: Sequence[Carried], samples: Sequence[ClipSample]) -> tuple[Tensor, Tensor]:
    """Return (B, J, 2) labelled joints in crop pixels, and (B, J) which there are."""
    joints, weights = [], []
    for one, sample in zip(group, samples, strict=True):
        labels = cast(np.ndarray, one.labelled.joints)
        joints.append(apply_affine(labels[:, :2], invert_affine(sample.crop_to_image)))
        weights.append(labels[:, 2])
    return torch.from_numpy(np.stack(joints)), torch.from_numpy(np.stack(weights))
