"""Ids on rendered people: noisy joints, dropped boxes, identities measured from the files."""

import json

import numpy as np
import pytest

from dcpose.evaluation.mota import evaluate_tracks
from dcpose.formats.posetrack.predictions import write_predictions
from dcpose.structures import PersonRecord, PosePrediction
from dcpose.tracking.video import track_people


@pytest.fixture
def noisy_people(sample_dir):
    """Per train video of the sample its images and people, in random order: joints 3 px off."""
    rng = np.random.default_rng(0)
    videos = {}
    for path in sorted((sample_dir / "annotations/train").glob("*.json")):
        content = json.loads(path.read_text())
        people = []
        for person in rng.permutation(content["annotations"]):
            joints = np.array(person["keypoints"]).reshape(-1, 3)
            frame = person["image_id"] % 10000
            record = PersonRecord(
                path.stem, person["image_id"], frame, np.array(person["bbox"]), track_id=77
            )
            noise = rng.normal(0, 3, (len(joints), 2))
            peaks = np.where(joints[:, 2] > 0, 0.8, 0.0)
            people.append(PosePrediction(record, joints[:, :2] + noise, peaks))
        videos[path] = content["images"], people
    return videos


@pytest.mark.parametrize(("share", "least"), [(1.0, 99.0), (0.85, 90.0)])
def test_identities_of_rendered_people(noisy_people, tmp_path, share, least):
    pytest.importorskip("motmetrics")
    rng = np.random.default_rng(1)
    for path, (images, people) in noisy_people.items():
        kept = [person for person in people if rng.random() < share]
        write_predictions(tmp_path / path.name, images, kept, track_ids=track_people(kept))
    result = evaluate_tracks(path.parent, tmp_path)
    assert result.id_true_positives > 50
    assert result.idf1 >= least


def test_the_order_of_people_and_their_annotated_ids_do_not_matter(noisy_people):
    _, people = next(iter(noisy_people.values()))
    ids = np.array(track_people(people))
    order = np.argsort([pose.person.frame for pose in people], kind="stable")
    assert track_people([people[i] for i in order]) == ids[order].tolist()
    assert track_people([]) == []


def test_people_of_two_videos_are_refused(noisy_people):
    everybody = [person for _, people in noisy_people.values() for person in people]
    with pytest.raises(ValueError, match="000001_mpii_train, 000002_mpii_train"):
        track_people(everybody)
