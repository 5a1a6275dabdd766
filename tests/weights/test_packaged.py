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


@pytest.mark.parametrize("name", ["pose", "dcpose", "person_detector"])
def test_card_goes_with_its_file(name):
    card = json.loads((FOLDER / f"{name}.json").read_text())
    file = FOLDER / card["file"]
    assert card["sha256"] == sha256_of(file)
    assert card["bytes"] == file.stat().st_size <= 8e6
    assert card["parameters"] == sum(value.numel() for value in read_weights(file).state.values())
    described = {"how", "data", "command", "seed", "licences", "figures", "limits"}
    assert described <= card.keys()


@pytest.mark.parametrize("weights", [None, "packaged", "packaged_dcpose"])
def test_pose_model_finds_rendered_people(sample_dir, weights):
    videos = read_annotations(sample_dir / "annotations" / "val", sample_dir)
    estimator = dcpose.PoseEstimator(weights=weights, device="cpu")
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


def test_names_of_the_zoo_mean_what_the_cards_say():
    for name, card in (("packaged", "pose"), ("packaged_dcpose", "dcpose")):
        named = dcpose.PoseEstimator(weights=name, device="cpu").config
        told = json.loads((FOLDER / f"{card}.json").read_text())["config"]
        assert named.data.crop_wh == tuple(told["data.crop_wh"])
        assert (named.data.sigma, named.data.box_enlarge) == (1.75, 1.15)
        assert (told["data.sigma"], told["data.box_enlarge"]) == (1.75, 1.15)
        for key in ("box_enlarge", "flip", "zoom"):
            assert getattr(named.test, key) == told[f"test.{key}"]
        assert named.model.name == told["model.name"]


def test_heads_lie_on_the_packaged_pose_network():
    pose, whole = (read_weights(FOLDER / f"{n}.safetensors").state for n in ("pose", "dcpose"))
    assert all(torch.equal(whole[name], value) for name, value in pose.items())


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
