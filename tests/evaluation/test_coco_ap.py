"""OKS AP: pycocotools' count against ours, made by hand and by a second implementation."""

import json
import math

import numpy as np
import pytest

from dcpose.evaluation.coco_ap import STATISTICS, evaluate_coco
from dcpose.report.tables import row_of
from dcpose.skeleton import COCO, POSETRACK

pytest.importorskip("pycocotools")

SHARED = [name for name in POSETRACK.joint_names if name in COCO.joint_names]
THRESHOLDS = np.linspace(0.5, 0.95, 10)
AREA = 10_000.0  # a large person
ALL_SIGMAS = np.array([
    .026, .025, .025, .035, .035, .079, .079, .072, .072,
    .062, .062, .107, .107, .087, .087, .089, .089,
])  # fmt: skip
SIGMAS = np.array([ALL_SIGMAS[COCO.index(name)] for name in SHARED])


def shift_for(oks):
    """How far joints are off, in each joint's own unit, where all similarities are `oks`.

    exp(-d^2 / (2 area (2 sigma)^2)) = oks
    """
    return np.sqrt(-2 * AREA * math.log(oks)) * 2 * SIGMAS


def truth(image_id, number, x=100.0, **changes):
    """An annotated person with its joints in a column; the eyes are far away."""
    keypoints = [0.0] * 51
    for k, name in enumerate(COCO.joint_names):
        keypoints[3 * k : 3 * k + 3] = [x, 10.0 * k, 2] if "eye" not in name else [900, 900, 2]
    return {
        "id": number, "image_id": image_id, "category_id": 1, "iscrowd": 0, "area": AREA,
        "bbox": [x - 50, 0, 100, 160], "keypoints": keypoints, "num_keypoints": 17, **changes,
    }  # fmt: skip


def predicted(image_id, score, oks=1.0, x=100.0):
    """A predicted person in PoseTrack's joints, with a given similarity to `truth`."""
    keypoints = np.zeros((17, 3))
    for shift, name in zip(shift_for(oks), SHARED, strict=True):
        keypoints[POSETRACK.index(name)] = [x + shift, 10.0 * COCO.index(name), 1]
    return {
        "image_id": image_id, "category_id": 1, "bbox": [0, 0, 1, 1], "score": score,
        "keypoints": keypoints.ravel().tolist(), "scores": [1.0] * 17,
    }  # fmt: skip


@pytest.fixture
def measure(tmp_path):
    """AP of annotated and predicted people, in two images."""

    def run(annotated, people):
        images = [{"id": k, "file_name": f"{k}.jpg", "width": 9, "height": 9} for k in (1, 2)]
        category = {"id": 1, "name": "person", "keypoints": list(COCO.joint_names)}
        gt = {"images": images, "annotations": annotated, "categories": [category]}
        (tmp_path / "gt.json").write_text(json.dumps(gt))
        folder = tmp_path / "pred"
        folder.mkdir(exist_ok=True)
        names = {"id": 1, "name": "person", "keypoints": list(POSETRACK.joint_names)}
        pred = {"images": images, "annotations": people, "categories": [names]}
        (folder / "gt_000.json").write_text(json.dumps(pred))
        return evaluate_coco(tmp_path / "gt.json", folder, "heatmap")

    return run


def test_perfect(measure):
    result = measure([truth(1, 1), truth(2, 2)], [predicted(1, 0.9), predicted(2, 0.8)])
    assert result.total == pytest.approx(100)
    assert result.num_frames == 2
    assert "left_eye" not in result.joint_names
    assert len(result.joint_names) == 15
    assert math.isnan(result.columns["AP-M"])  # nobody of medium area
    assert result.to_json_dict()["groups"]["AP-M"] is None
    assert tuple(result.columns) == STATISTICS
    assert "100.0" in row_of(result.columns).text()


def test_one_of_two_is_half_right(measure):
    # similarity 0.72: right at .50 .55 .60 .65 .70 (AP 1); above, recall stops at 1/2, which is
    # 51 of the 101 recall points
    people = [predicted(1, 0.9), predicted(2, 0.8, oks=0.72)]
    result = measure([truth(1, 1), truth(2, 2)], people)
    assert result.total == pytest.approx(100 * (5 + 5 * 51 / 101) / 10)
    assert result.columns["AP50"] == pytest.approx(100)
    assert result.columns["AP75"] == pytest.approx(100 * 51 / 101)
    assert result.columns["AR"] == pytest.approx(100 * (5 + 5 * 0.5) / 10)


def test_a_false_person_in_front(measure):
    # ranked false, right, right: precision envelope 2/3 up to recall 1, at all thresholds
    people = [predicted(1, 0.95, x=5000.0), predicted(1, 0.9), predicted(2, 0.8)]
    result = measure([truth(1, 1), truth(2, 2)], people)
    assert result.total == pytest.approx(100 * 2 / 3)


def test_a_false_person_in_the_middle(measure):
    # right, false, right: precision 1 up to recall 1/2 (51 points), then 2/3 (50 points)
    people = [predicted(1, 0.95), predicted(1, 0.9, x=5000.0), predicted(2, 0.8)]
    result = measure([truth(1, 1), truth(2, 2)], people)
    assert result.total == pytest.approx(100 * (51 + 50 * 2 / 3) / 101)


def test_a_second_pose_of_the_same_person_is_false(measure):
    people = [predicted(1, 0.9), predicted(1, 0.8), predicted(2, 0.7)]
    result = measure([truth(1, 1), truth(2, 2)], people)
    assert result.total == pytest.approx(100 * (51 + 50 * 2 / 3) / 101)


def test_crowds_and_people_with_nothing_but_eyes_do_not_count(measure):
    eyes = [0.0] * 51
    eyes[3:6] = [5, 5, 2]
    annotated = [
        truth(1, 1),
        truth(2, 2, iscrowd=1),
        truth(2, 3, x=400.0, keypoints=eyes, num_keypoints=1),
    ]
    assert measure(annotated, [predicted(1, 0.5)]).total == pytest.approx(100)


def test_nobody(measure):
    assert measure([truth(1, 1)], []).total == 0
    assert math.isnan(measure([], [predicted(1, 0.5)]).total)


def own_ap(similarities, scores, image_of, truth_image):
    """Our own count: greedy matching in the order of scores, 101-point interpolation."""
    total = 0.0
    order = np.argsort(-scores, kind="stable")
    for threshold in THRESHOLDS:
        free = np.ones(len(truth_image), dtype=bool)
        hits = []
        for person in order:
            allowed = free & (truth_image == image_of[person])
            best = np.where(allowed, similarities[person], -1).argmax()
            hit = allowed.any() and allowed[best] and similarities[person, best] >= threshold
            free[best] &= not hit
            hits.append(hit)
        right = np.cumsum(hits)
        recall, precision = right / len(truth_image), right / np.arange(1, len(hits) + 1)
        envelope = np.maximum.accumulate(precision[::-1])[::-1]
        points = np.searchsorted(recall, np.linspace(0, 1, 101), side="left")
        total += np.append(envelope, 0)[points].mean()
    return 100 * total / len(THRESHOLDS)


@pytest.mark.parametrize("seed", range(5))
def test_own_count_on_random_people(measure, seed):
    rng = np.random.default_rng(seed)
    annotated = [truth(1 + k % 2, k + 1, x=100.0 * k) for k in range(6)]
    people = [
        predicted(1 + k % 2, rng.uniform(0.1, 1), rng.uniform(0.4, 1), x=100.0 * k + jump)
        for k in range(6)
        for jump in (0.0, rng.choice([0.0, 60.0, 3000.0]))
    ]
    result = measure(annotated, people)

    def joints(entry, names):
        rows = np.reshape(entry["keypoints"], (17, 3))[:, :2]
        return rows[[names.index(name) for name in SHARED]]

    theirs = np.stack([joints(a, COCO.joint_names) for a in annotated])
    ours = np.stack([joints(p, POSETRACK.joint_names) for p in people])
    squared = ((ours[:, None] - theirs[None]) ** 2).sum(-1)
    similarities = np.exp(-squared / (2 * AREA * (2 * SIGMAS) ** 2)).mean(-1)
    scores = np.array([p["score"] for p in people])  # heatmap peaks are all 1
    image_of, truth_image = ([e["image_id"] for e in entries] for entries in (people, annotated))
    expected = own_ap(similarities, scores, np.array(image_of), np.array(truth_image))
    assert result.total == pytest.approx(expected, abs=1e-9)


def test_predictions_of_other_images(measure):
    with pytest.raises(ValueError, match="image id 9 is not in"):
        measure([truth(1, 1)], [predicted(9, 0.5)])


def test_annotations_without_areas(measure):
    entry = truth(1, 1)
    del entry["area"]
    with pytest.raises(ValueError, match=r"annotations\[0\] lacks area"):
        measure([entry], [])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"keypoints": [1, 2, 2] * 16}, "keypoints must hold 51 numbers, found 48"),
        ({"keypoints": [None] * 51}, r"keypoints\[0\] must be a finite number, found null"),
        ({"area": "large"}, "area must be a finite number, found text 'large'"),
        ({"image_id": [1]}, "image_id must be a whole number, found a list"),
        ({"bbox": [1, 2, 3]}, "bbox must hold 4 numbers"),
    ],
)
def test_malformed_annotations(measure, change, words):
    with pytest.raises(ValueError, match=rf"gt\.json: annotations\[0\]: {words}"):
        measure([truth(1, 1) | change], [])


@pytest.mark.parametrize("person", [7, "x", {}, {"image_id": [1]}])
def test_malformed_predictions(measure, person):
    with pytest.raises(ValueError, match=r"gt_000\.json: annotations\[0\]: "):
        measure([truth(1, 1)], [person])
