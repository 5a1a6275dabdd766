"""OKS AP against hand-computed values and pycocotools."""

import contextlib
import io

import numpy as np
import pytest

from dcpose.evaluation.oks_ap import THRESHOLDS, match, oks, oks_ap
from dcpose.formats.posetrack.predictions import parse_poses
from dcpose.skeleton import Skeleton

NAMES = ("a", "b", "c")
SKELETON = Skeleton("three", NAMES, (), (), (), evaluation_joints=NAMES)
SIGMAS = np.array([0.025, 0.05, 0.1])


def test_similarity_of_one_joint():
    # e^(-d^2 / (2 area (2 sigma)^2)): at d = 2 sigma sqrt(area) it is e^-1/2
    joints, present = np.zeros((1, 1, 2)), np.ones((1, 1), dtype=bool)
    moved = np.array([[[6.0, 0.0]]])
    value = oks(joints, present, np.array([900.0]), moved, np.array([0.1]))
    assert value == pytest.approx(np.exp(-0.5))


def test_similarity_counts_annotated_joints_alone():
    joints, present = np.zeros((1, 2, 2)), np.array([[True, False]])
    moved = np.array([[[0.0, 0.0], [1e6, 0.0]]])
    assert oks(joints, present, np.array([900.0]), moved, np.array([0.1, 0.1])) == 1


def test_each_person_is_found_once():
    hits = match(np.array([[0.97, 0.6], [0.97, 0.6]]))
    assert hits[:, 0].all()
    np.testing.assert_array_equal(hits[:, 1], THRESHOLDS <= 0.6)


def _videos(rng, frames=6):
    """A video as COCO-form dictionaries: annotated people, and scattered predictions of them."""
    annotated, predicted = [], []
    for frame in range(frames):
        for track_id in range(rng.integers(0, 4)):
            joints = rng.uniform(50, 250, (3, 2))
            visible = rng.random(3) < 0.8
            if not visible.any():
                continue
            size = rng.uniform(20, 90, 2)
            row = np.column_stack([joints, visible]) * visible[:, None]
            box = [0.0, 0.0, *size.tolist()]
            annotated.append((frame, track_id, row.ravel().tolist(), box))
            for copy in range(rng.integers(0, 3)):
                moved = joints + rng.normal(0, rng.choice([0.5, 3, 30]), (3, 2))
                predicted.append((frame, 10 * track_id + copy, moved, rng.random()))
    return annotated, predicted


def _ours(annotated, predicted, frames=6):
    images = [
        {"id": frame, "file_name": f"images/000001_mpii/{frame:06d}.jpg"} for frame in range(frames)
    ]
    rest = {"images": images, "categories": [{"name": "person", "keypoints": list(NAMES)}]}
    truth = [
        {"image_id": frame, "track_id": track_id, "keypoints": row, "bbox": box}
        for frame, track_id, row, box in annotated
    ]
    found = [
        {
            "image_id": frame,
            "track_id": track_id,
            "keypoints": np.column_stack([joints, np.ones(3)]).ravel().tolist(),
            "scores": [score] * 3,
        }
        for frame, track_id, joints, score in predicted
    ]
    sides = {"annotations": truth, "predictions": found}
    return tuple(
        parse_poses({**rest, "annotations": people}, side, side, SKELETON)
        for side, people in sides.items()
    )


def _pycocotools(annotated, predicted, frames=6):
    coco = pytest.importorskip("pycocotools.coco")
    from pycocotools.cocoeval import COCOeval

    def entries(people):
        return [{"id": n, "category_id": 1, "iscrowd": 0, **p} for n, p in enumerate(people, 1)]

    truth = [
        {
            "image_id": frame,
            "keypoints": row,
            "num_keypoints": sum(v > 0 for v in row[2::3]),
            "bbox": box,
            "area": box[2] * box[3],
        }
        for frame, _, row, box in annotated
    ]
    found = [
        {
            "image_id": frame,
            "keypoints": np.column_stack([joints, np.ones(3)]).ravel().tolist(),
            "bbox": [0, 0, 50, 50],
            "area": 2500.0,
            "score": score,
        }
        for frame, _, joints, score in predicted
    ]
    images = [{"id": frame} for frame in range(frames)]
    sides = []
    with contextlib.redirect_stdout(io.StringIO()):
        for people in (truth, found):
            side = coco.COCO()
            side.dataset = {
                "images": images, "annotations": entries(people), "categories": [{"id": 1}],
            }  # fmt: skip
            side.createIndex()
            sides.append(side)
        evaluation = COCOeval(*sides, "keypoints")
        evaluation.params.kpt_oks_sigmas = SIGMAS
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats


@pytest.mark.parametrize("seed", range(8))
def test_equals_pycocotools(seed):
    video = _videos(np.random.default_rng(seed))
    ours = oks_ap([_ours(*video)], SIGMAS)
    theirs = _pycocotools(*video)
    assert (ours.ap, ours.ap50, ours.ap75) == pytest.approx(tuple(100 * theirs[:3]), abs=1e-9)
    assert ours.ap > 0


def test_nobody_annotated_is_undefined():
    assert np.isnan(oks_ap([_ours([], [])], SIGMAS).ap)
