"""The weights that come with the package: whole, light, loadable, and described."""

import json

import numpy as np
import pytest
import torch

import dcpose
from dcpose.data.frames import read_frame
from dcpose.detection.detectors import make_detector
from dcpose.formats.posetrack.records import read_annotations
from dcpose.weights.packaged import FOLDER
from dcpose.weights.reading import read_weights, sha256_of


@pytest.mark.parametrize(("name", "largest"), [("pose", 16e6), ("person_detector", 8e6)])
def test_card_goes_with_its_file(name, largest):
    card = json.loads((FOLDER / f"{name}.json").read_text())
    file = FOLDER / card["file"]
    assert card["sha256"] == sha256_of(file)
    assert card["bytes"] == file.stat().st_size <= largest
    assert card["parameters"] == sum(value.numel() for value in read_weights(file).state.values())
    described = {"how", "data", "command", "seed", "licences", "figures", "limits"}
    assert described <= card.keys()


def test_pose_model_finds_rendered_people(sample_dir):
    videos = read_annotations(sample_dir / "annotations" / "val", sample_dir)
    estimator = dcpose.PoseEstimator(device="cpu")
    found = []
    for person in [person for video in videos for person in video.people][::4]:
        video = next(video for video in videos if video.name == person.video)
        image = read_frame(video.frame_path(person.frame))
        (joints,) = estimator.image(image, person.box_xywh[None]).people.joints
        visible = person.joints[:, 2] > 0
        distances = np.linalg.norm(joints - person.joints[:, :2], axis=1)[visible]
        found.extend(distances <= 0.1 * person.box_xywh[2:].max())
    assert len(found) > 50
    assert np.mean(found) > 0.4


def test_detector_finds_rendered_people(sample_dir):
    videos = read_annotations(sample_dir / "annotations" / "val", sample_dir)
    detect = make_detector("packaged", torch.device("cpu"), 0.5)
    found, others = [], 0
    for video in videos[:2]:
        for frame in sorted({person.frame for person in video.people})[:3]:
            boxes, scores = detect(read_frame(video.frame_path(frame)))
            assert (np.diff(scores) <= 0).all()
            true = np.stack([p.box_xywh for p in video.people if p.frame == frame])
            low = np.maximum(true[:, None, :2], boxes[:, :2])
            high = np.minimum(*(b[..., :2] + b[..., 2:] for b in (true[:, None], boxes)))
            both = (high - low).clip(0).prod(axis=-1)
            overlaps = both / (true[:, None, 2:].prod(-1) + boxes[:, 2:].prod(-1) - both) >= 0.5
            found.extend(overlaps.any(axis=1))
            others += (~overlaps.any(axis=0)).sum()
    assert np.mean(found) > 0.5
    assert others < len(found)
