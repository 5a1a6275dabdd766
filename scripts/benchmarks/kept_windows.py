"""Frames around every person, encoded once by a frozen backbone and kept on disk.

A window holds the frames t-4 to t+4. Every method takes its own clip from it: pairs, neighbours up
to T = 4, three or five frames in a row. So a head trains in a minute, and all see the same crops.

Shape legend: N people, W = 9 frames of a window, C channels, h x w pixels of what is encoded.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from dcpose.build.data import (
    build_augmentation,
    build_clip_options,
    build_skeleton,
    read_people,
    read_videos,
)
from dcpose.config.loading import config_to_dict
from dcpose.config.schema import Config
from dcpose.data.clip import Clip, ClipOptions, choose_clip
from dcpose.data.dataset import PoseTrackClips
from dcpose.data.kept_encodings import hash_clips, hash_weights
from dcpose.data.other_neighbors import lenders
from dcpose.data.stream import ClipStream
from dcpose.deploy.example import example_clips
from dcpose.deploy.fast import prepare_for_inference
from dcpose.engine.run.progress import with_progress
from dcpose.files.writing import replacing, write_text
from dcpose.formats.posetrack.records import VideoAnnotation
from dcpose.models.interface import Backbone, Encoding, FeaturesOf
from dcpose.structures import ClipBatch, ClipSample, PersonRecord, normalise

REACH = 4
"""Frames from the current one to either end of a window."""
WINDOW = tuple(range(-REACH, REACH + 1))

CLIPS_AT_ONCE = 32

LABELS = ("crop_to_image", "joints", "joint_weights")

Neighbors = Literal["as_is", "current", "reversed", "other_video"]
"""As `test.neighbors`."""


class Decoder(Protocol):
    """What makes heatmaps of encoded frames: a `TemporalModel`, or a rule."""

    @property
    def encodes(self) -> Encoding:
        """What it makes them of."""

    @property
    def used(self) -> slice:
        """At which frames of a clip it looks."""

    def decode(self, encoded: Tensor, gaps: Tensor) -> Tensor:
        """Return heatmaps (B, J, h, w) of (B, F, C, h, w); see `TemporalModel`."""


@dataclass(frozen=True)
class Windows:
    """Encoded people of a split.

    Attributes:
        people: N.
        usable: numbers of the frames of each video, by its name.
        encoded: what frames are encoded to, to float16 arrays (N, W, C, h, w), one for each draw of
            views.
        labels: of every draw, arrays (N, ...) by the field of `ClipSample`.
        lent: whose neighbours a person gets in place of the own ones; none for training.
    """

    people: Sequence[PersonRecord]
    usable: Mapping[str, frozenset[int]]
    encoded: Mapping[Encoding, Sequence[np.ndarray]]
    labels: Sequence[Mapping[str, np.ndarray]]
    lent: Sequence[int] = ()

    def clip(self, index: int, options: ClipOptions, rng: np.random.Generator | None) -> Clip:
        """Choose a clip as training does, with a `rng`, or prediction."""
        person = self.people[index]
        return choose_clip(person.frame, self.usable[person.video], options, rng)

    def rows(self, index: int, clip: Clip) -> list[int]:
        """Return where in the window the frames of a person's clip are."""
        return [number - self.people[index].frame + REACH for number in clip.numbers]


class WindowClips(Dataset[ClipSample]):
    """Training clips of windows, for one model; keys are (epoch, index).

    Args:
        windows: of the train split.
        options: which frames make a clip.
        model: says what frames are encoded to, and at which it looks.
        seed: draws neighbours.
    """

    def __init__(self, windows: Windows, options: ClipOptions, model: Decoder, seed: int) -> None:
        self.windows = windows
        self.people = windows.people
        self.options = options
        self.model = model
        self.seed = seed

    def __len__(self) -> int:
        """Number of people."""
        return len(self.people)

    def __getitem__(self, key: tuple[int, int]) -> ClipSample:
        """Return the sample of a person in an epoch."""
        epoch, index = key
        draw = epoch % len(self.windows.labels)
        clip = self.windows.clip(
            index, self.options, np.random.default_rng([self.seed, epoch, index])
        )
        encoded = self.windows.encoded[self.model.encodes][draw][index]
        return ClipSample(
            person=self.people[index],
            frames=np.empty((0, 0, 0, 3), np.uint8),
            gaps=np.array(clip.gaps, np.float32),
            encoded=encoded[self.windows.rows(index, clip)[self.model.used]],
            **{name: values[index] for name, values in self.windows.labels[draw].items()},
        )


def batches_to_predict(
    windows: Windows, options: ClipOptions, model: Decoder, neighbors: Neighbors = "as_is"
) -> Iterator[ClipBatch]:
    """Yield the clips of all people, with neighbours as `test.neighbors` has them."""
    (encoded,) = windows.encoded[model.encodes]
    (labels,) = windows.labels
    for first in range(0, len(windows.people), CLIPS_AT_ONCE):
        samples = []
        for index in range(first, min(first + CLIPS_AT_ONCE, len(windows.people))):
            clip = windows.clip(index, options, None)
            rows, gaps = windows.rows(index, clip), list(clip.gaps)
            frames = encoded[index, rows]
            if neighbors == "current":
                frames = encoded[index, [REACH] * len(rows)]
            elif neighbors == "reversed":
                frames, gaps = frames[::-1], gaps[::-1]
            elif neighbors == "other_video":
                other = windows.lent[index]
                own = encoded[other, windows.rows(other, windows.clip(other, options, None))]
                own[len(rows) // 2] = frames[len(rows) // 2]
                frames = own
            samples.append(
                ClipSample(
                    person=windows.people[index],
                    frames=np.empty((0, 0, 0, 3), np.uint8),
                    gaps=np.array(gaps, np.float32),
                    crop_to_image=labels["crop_to_image"][index],
                    encoded=np.ascontiguousarray(frames[model.used]),
                )
            )
        yield ClipBatch.stack(samples)


def training_windows(cfg: Config, backbone: Backbone, folder: Path) -> Windows:
    """Encode the training people; what the folder holds already is read.

    Args:
        cfg: says which people, and how they are cut out; each has `data.draws` views.
        backbone: encodes.
        folder: keeps what is encoded.
    """
    videos, draws = read_videos(cfg, "train"), cfg.data.draws or 1
    options = replace(build_clip_options(cfg, training=True), frames=WINDOW)
    clips = PoseTrackClips(
        videos, options, build_augmentation(cfg), cfg.seed, build_skeleton(cfg), draws
    )
    every = [
        DataLoader(
            clips,
            batch_size=CLIPS_AT_ONCE,
            sampler=[(draw, index) for index in range(len(clips))],
            collate_fn=ClipBatch.stack,
        )
        for draw in range(draws)
    ]
    kept = [
        _kept(cfg, backbone, hash_clips(clips), batches, folder / f"draw_{draw}")
        for draw, batches in enumerate(every)
    ]
    return Windows(clips.people, _usable(videos), *_joined(kept, backbone))


def val_windows(cfg: Config, backbone: Backbone, folder: Path) -> Windows:
    """Encode the people of the val split; see `training_windows`."""
    videos, people = read_people(cfg, "val")
    options = replace(build_clip_options(cfg, training=False), frames=WINDOW)
    stream = ClipStream(videos, people, options, CLIPS_AT_ONCE)
    crowd = [
        person
        for video in videos
        for person in sorted(people.get(video.name, ()), key=lambda person: person.frame)
    ]
    what = "; ".join(person.person_id for person in crowd)
    kept = [_kept(cfg, backbone, what, stream, folder)]
    place = {id(person): index for index, person in enumerate(crowd)}
    next_videos, chosen = lenders(videos, people, videos)
    lent = [place[id(person)] for video in next_videos for person in chosen[video.name]]
    return Windows(crowd, _usable(videos), *_joined(kept, backbone), lent)


def _usable(videos: Sequence[VideoAnnotation]) -> dict[str, frozenset[int]]:
    return {video.name: frozenset(video.frames_on_disk()) for video in videos}


def _joined(
    kept: Sequence[Mapping[str, np.ndarray]], backbone: Backbone
) -> tuple[dict[Encoding, list[np.ndarray]], list[dict[str, np.ndarray]]]:
    """Return features and heatmaps of all draws, and their labels."""
    features = [draw["features"] for draw in kept]
    heatmaps = [_heatmaps(draw, backbone) for draw in features]
    labels = [{name: draw[name] for name in LABELS if name in draw} for draw in kept]
    return {"features": features, "heatmaps": heatmaps}, labels


@torch.inference_mode()
def _heatmaps(features: np.ndarray, backbone: Backbone) -> np.ndarray:
    """Return float16 heatmaps (N, W, J, h, w) of features (N, W, C, h', w')."""
    pieces = [
        backbone.head(torch.from_numpy(features[n : n + CLIPS_AT_ONCE]).float().flatten(0, 1))
        for n in range(0, len(features), CLIPS_AT_ONCE)
    ]
    maps = torch.cat([piece.half() for piece in pieces])
    return maps.unflatten(0, features.shape[:2]).numpy()


def _kept(
    cfg: Config, backbone: Backbone, clips: str, batches: Iterable[ClipBatch], folder: Path
) -> dict[str, np.ndarray]:
    """Return arrays by name, read from the folder, or encoded and written there.

    Raises:
        ValueError: if the folder holds encodings of something else.
    """
    data = config_to_dict(cfg)["data"]
    names = ("crop_wh", "box_enlarge", "affine", "augment", "draws")
    key = json.dumps(
        {
            "weights": hash_weights(backbone),
            "clips": clips,
            "data": {name: data[name] for name in names},
        }
    )
    key_file, file = folder / "key.json", folder / "windows.npz"
    if file.exists():
        if key_file.read_text(encoding="utf-8") != key:
            raise ValueError(
                f"{folder}: holds encodings of another backbone, other people or other views; "
                "remove it, or choose another --out"
            )
        with np.load(file, allow_pickle=False) as stored:
            return dict(stored)
    network = _features_of(backbone)
    arrays: dict[str, list[np.ndarray]] = {}
    for batch in with_progress(batches, f"encode {folder.name}", len(batches)):  # type: ignore[arg-type]
        arrays.setdefault("features", []).append(_encode(network, batch.frames))
        for name, tensor in batch.tensors().items():
            if name in LABELS:
                arrays.setdefault(name, []).append(tensor.numpy())
    stacked = {name: np.concatenate(pieces) for name, pieces in arrays.items()}
    folder.mkdir(parents=True, exist_ok=True)
    write_text(key_file, key)
    with replacing(file) as temporary, temporary.open("wb") as target:
        np.savez(target, **stacked)  # type: ignore[arg-type]
    return stacked


def _features_of(backbone: Backbone) -> nn.Module:
    side = 2 * backbone.side_multiple
    images = example_clips(1, (side, side))[0].flatten(0, 1)
    return prepare_for_inference(FeaturesOf(backbone.eval()), [images], torch.float32)


@torch.inference_mode()
def _encode(network: nn.Module, frames: Tensor) -> np.ndarray:
    """Return float16 features (B, W, C, h, w) of crops (B, W, H, W', 3).

    A frame that repeats the one before, as past the border of a video, is encoded once.
    """
    new = torch.ones(frames.shape[:2], dtype=torch.bool)
    new[:, 1:] = (frames[:, 1:] != frames[:, :-1]).flatten(2).any(dim=-1)
    features = network(normalise(frames[new])).half()
    return features[new.flatten().cumsum(0) - 1].unflatten(0, tuple(frames.shape[:2])).numpy()
