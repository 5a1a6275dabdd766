"""PoseEstimator: images and videos in, poses out."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from dcpose.build.data import build_clip_options, build_skeleton
from dcpose.build.inference import build_predictor
from dcpose.build.runtime import build_network, config_of_exported
from dcpose.build.weights import config_of_card, config_of_weights
from dcpose.config.loading import load_config
from dcpose.config.schema import Config
from dcpose.deploy.exported import kind_of
from dcpose.detection.detectors import PersonDetector, choose_detector, make_detector
from dcpose.engine.devices import choose_device
from dcpose.estimator.frame_result import FrameResult
from dcpose.estimator.live_poses import Boxes, BoxesOf, LivePoses, TrackingOptions
from dcpose.estimator.stopwatch import Stopwatch
from dcpose.evaluation.calibration import Calibration, calibration_in
from dcpose.files.reading import named_path
from dcpose.skeleton import Skeleton
from dcpose.video.opening import open_source
from dcpose.video.source import FrameSource, VideoFrame, frame_rate
from dcpose.weights.hub import local_weights
from dcpose.weights.loading import ReadWeights
from dcpose.weights.packaged import POSE_CARD

_log = logging.getLogger(__name__)


class PoseEstimator:
    """Finds the poses of people in images and videos.

        estimator = dcpose.PoseEstimator(weights="best.pt")
        for result in estimator.video("in.mp4"):
            print(result.index, result.time, result.people.joints)

    Videos of any length need little memory: frames are decoded while results are taken, one frame
    (`data.max_gap` frames) ahead.

    Args:
        cfg_or_card: a config, its file, or the card of converted weights; None takes the config
            that our own checkpoints carry, or what other weights tell.
        weights: our own checkpoint, a file in a released layout, where to fetch one (see
            `local_weights`), or an exported network (.onnx, .xml, .pt2 with its .json beside it);
            None takes a card's, or, without a card or config, the model that comes with the
            package.
        device: "cpu", "cuda", "mps", or "auto", see `choose_device`.
        detector: finds people where no boxes are given: "torchvision", "rtdetr", "packaged",
            "hog", "whole-frame", or a function from an (H, W, 3) uint8 RGB image to (N, 4) boxes
            left, top, width, height and (N,) scores. None takes torchvision's where its weights are
            on the disk, else "packaged".
        overrides: config keys, `key=value`; see `load_config`.
        min_box_score: detected boxes below this are left out.
        detector_weights: state dict of torchvision's detector, or folder of RT-DETR's; None takes
            a download.
        stopwatch: takes the time of each stage.

    Attributes:
        config: of the network.
        skeleton: names of the joints.
        calibration: of the card, from scores of joints to probabilities (`scripts/calibrate.py`);
            None without.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if there are no weights, they do not fit, or the config has errors.
    """

    def __init__(
        self,
        cfg_or_card: Config | str | Path | None = None,
        weights: str | Path | None = None,
        device: str = "auto",
        detector: PersonDetector | str | None = None,
        *,
        overrides: Sequence[str] = (),
        min_box_score: float = 0.5,
        detector_weights: Path | None = None,
        stopwatch: Stopwatch | None = None,
    ) -> None:
        self.config, found, self.calibration = _config_and_weights(cfg_or_card, weights, overrides)
        self.device = choose_device(device)
        self.skeleton: Skeleton = build_skeleton(self.config)
        if detector is None or isinstance(detector, str):
            make = partial(
                _named_detector, detector, self.device, min_box_score, weights=detector_weights
            )
        else:
            make = partial(_above, detector, min_box_score)
        network = build_network(self.config, found, self.device)
        self._poses = LivePoses(
            predict=build_predictor(self.config, network, self.device),
            options=build_clip_options(self.config, training=False),
            skeleton=self.skeleton,
            batch_size=self.config.test.batch_size,
            oks_nms=self.config.test.oks_nms,
            make_detector=make,
            stopwatch=stopwatch or Stopwatch(),
        )

    @property
    def frames_ahead(self) -> int:
        """Frames after its own that a pose waits for, as the network looks at them."""
        return max(0, *build_clip_options(self.config, training=False).offsets)

    def image(self, image: np.ndarray, boxes: np.ndarray | None = None) -> FrameResult:
        """Find the people of one image, which stands in for the frames before and after it.

        Args:
            image: (H, W, 3) uint8 RGB.
            boxes: see `frames`.
        """
        return next(self.frames([image], None if boxes is None else [boxes]))

    def frames(
        self,
        images: Iterable[np.ndarray],
        boxes: Iterable[np.ndarray | Boxes | None] | None = None,
        *,
        rate: float = 25.0,
        track: bool = False,
        smooth: bool = False,
        detect_every: int = 1,
        frames_at_once: int = 1,
    ) -> Iterator[FrameResult]:
        """Find the people of the frames of one video.

        Args:
            images: (H, W, 3) uint8 RGB, in order; a change of size starts another video.
            boxes: for each image the (N, 4) boxes left, top, width, height in pixels, which are
                cut to the image as annotated ones are in val; or (N, 5) with a score, which are
                used as they are, like detections; None where the detector has to look. None for
                all detects everybody.
            rate: frames per second, for the times; any number greater than 0.
            track: give people ids that last.
            smooth: steady the joints of each person; gives ids, too.
            detect_every: frames from one use of the detector to the next; between them the
                tracker carries the boxes.
            frames_at_once: frames whose people make one batch: more are faster, and results come
                later.

        Yields:
            one result per image, in order.

        Raises:
            ValueError: if an image or its boxes have another shape, or a box lies outside.
        """
        time_base = 1 / frame_rate(rate)
        source = (VideoFrame(index, _checked(image, index), index)
                  for index, image in enumerate(images))  # fmt: skip
        tracking = TrackingOptions(track, smooth, detect_every, frames_at_once)
        return self._poses.run(source, time_base, _boxes_of(boxes), tracking)

    def video(
        self,
        source: str | Path | FrameSource,
        boxes: Iterable[np.ndarray | Boxes | None] | BoxesOf | None = None,
        *,
        track: bool = False,
        smooth: bool = False,
        detect_every: int = 1,
        frames_at_once: int = 1,
    ) -> Iterator[FrameResult]:
        """Find the people of a video file, a folder or pattern of images, a camera, or an address.

        Args:
            source: a path, a pattern, the number of a camera, or an open source.
            boxes: see `frames`; also a function from a frame to its boxes.
            track: see `frames`.
            smooth: see `frames`.
            detect_every: see `frames`.
            frames_at_once: see `frames`.

        Yields:
            one result per frame, in order.

        Raises:
            VideoError: if the source cannot be read; after the results of what could be read, if
                it is cut short.
            ValueError: as `frames`.
        """
        opened = open_source(source) if isinstance(source, str | Path) else source
        boxes_of = boxes if boxes is None or callable(boxes) else _boxes_of(boxes)
        tracking = TrackingOptions(track, smooth, detect_every, frames_at_once)
        return self._poses.run(opened, opened.time_base, boxes_of, tracking)


def _config_and_weights(
    cfg_or_card: Config | str | Path | None, weights: str | Path | None, overrides: Sequence[str]
) -> tuple[Config, Path | ReadWeights, Calibration | None]:
    card = None if isinstance(cfg_or_card, Config | None) else named_path(cfg_or_card)
    packaged = cfg_or_card is None and weights is None
    if packaged:
        card = POSE_CARD
    if card is not None and card.suffix == ".json":
        config, beside, content = config_of_card(card, overrides)
        if packaged:
            _log.info("pose network: the one that comes with the package. %s", content["limits"])
        found = beside if weights is None else local_weights(weights)
        return config, found, calibration_in(content, card)
    if weights is None:
        raise ValueError(
            "weights: a config alone has none; give a checkpoint (runs/.../checkpoints/best.pt), a "
            "released file, or a name of `dcpose convert --list`"
        )
    if cfg_or_card is None and kind_of(Path(weights)) is not None:
        return config_of_exported(Path(weights), overrides), Path(weights), None
    if cfg_or_card is None:
        return *config_of_weights(weights, overrides), None
    if isinstance(cfg_or_card, Config):
        if overrides:
            raise ValueError("overrides go with the file of a config; change the Config itself")
        return cfg_or_card, local_weights(weights), None
    return load_config(cfg_or_card, overrides), local_weights(weights), None


def _named_detector(
    name: str | None, device: torch.device, min_score: float, weights: Path | None
) -> PersonDetector:
    name = choose_detector(weights) if name is None else name
    return make_detector(name, device, min_score, weights=weights)


def _above(detector: PersonDetector, min_score: float) -> PersonDetector:
    def detect(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        boxes, scores = (np.asarray(array, np.float64) for array in detector(image))
        boxes, scores = boxes.reshape(-1, 4), scores.reshape(-1)
        return boxes[scores >= min_score], scores[scores >= min_score]

    return detect


def _boxes_of(boxes: Iterable[np.ndarray | Boxes | None] | None) -> BoxesOf | None:
    if boxes is None:
        return None
    remaining = iter(boxes)

    def next_boxes(frame: VideoFrame) -> Boxes | None:
        try:
            given = next(remaining)
        except StopIteration:
            raise ValueError(
                f"boxes: found those of {frame.index} frames, expected as many as frames; give "
                "None for a frame where the detector has to look"
            ) from None
        return given if given is None or isinstance(given, Boxes) else _parsed(given, frame.index)

    return next_boxes


def _parsed(array: np.ndarray, index: int) -> Boxes:
    rows = np.asarray(array, dtype=np.float64)
    if rows.size == 0:
        return Boxes(np.zeros((0, 4)), np.zeros(0))
    if rows.ndim != 2 or rows.shape[1] not in (4, 5):
        raise ValueError(
            f"frame {index}: boxes have shape {rows.shape}, expected (N, 4) left, top, width, "
            "height, or (N, 5) with a score"
        )
    if rows.shape[1] == 5:
        return Boxes(rows[:, :4], rows[:, 4])
    return Boxes(rows, np.ones(len(rows)), annotated=True)


def _checked(image: np.ndarray, index: int) -> np.ndarray:
    if isinstance(image, str | Path):
        raise ValueError(
            f"frame {index}: found {str(image)!r}, expected an (H, W, 3) uint8 RGB array; `video` "
            "takes names of files"
        )
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise ValueError(
            f"frame {index}: found an array {image.shape} of {image.dtype}, expected (H, W, 3) "
            "uint8 RGB"
        )
    return image
