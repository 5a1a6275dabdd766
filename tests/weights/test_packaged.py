"""The weights that come with the package: whole, light, loadable, and described."""

import json

import numpy as np

import dcpose
from dcpose.data.frames import read_frame
from dcpose.formats.posetrack.records import read_annotations
from dcpose.weights.packaged import POSE_CARD
from dcpose.weights.reading import read_weights, sha256_of


def test_card_goes_with_its_file():
    card = json.loads(POSE_CARD.read_text())
    file = POSE_CARD.with_name(card["file"])
    assert card["sha256"] == sha256_of(file)
    assert card["bytes"] == file.stat().st_size <= 16_000_000
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
