"""Detectors by name: boxes of people, in image pixels, best first."""

import numpy as np
import pytest
import torch

from dcpose.detection import detectors as person_detectors
from dcpose.detection.detectors import HogDetector, make_detector, whole_frame
from dcpose.video.opening import open_source

CPU = torch.device("cpu")


def test_whole_frame():
    boxes, scores = make_detector("whole-frame", CPU, 0.5)(np.zeros((30, 50, 3), np.uint8))
    assert boxes.tolist() == [[0, 0, 50, 30]]
    assert scores.tolist() == [1]
    assert make_detector("whole-frame", CPU, 0.5) is whole_frame


def test_hog_finds_people_of_a_street(shared_dir):
    clip = shared_dir / "data" / "posetrack18_real" / "street_960x540.mp4"
    image = next(iter(open_source(clip))).image
    boxes, scores = make_detector("hog", CPU, 0.5)(image)
    assert len(boxes) >= 2
    assert scores.min() >= 0.5
    assert (np.diff(scores) <= 0).all()
    assert (boxes[:, 3] > 1.5 * boxes[:, 2]).all()  # people stand
    # twice as large an image, searched at the same size, gives about the same boxes, twice as large
    doubled, _ = HogDetector(0.5)(image.repeat(2, axis=0).repeat(2, axis=1))
    distance = np.abs(doubled[:, None] / 2 - boxes[None]).max(axis=-1).min(axis=0)
    assert np.median(distance) < 12


def test_hog_is_quiet_about_small_and_empty_images():
    detect = make_detector("hog", CPU, 0.5)
    for shape in ((40, 30, 3), (200, 200, 3), (1, 1, 3)):
        boxes, scores = detect(np.full(shape, 90, np.uint8))
        assert (boxes.shape, scores.shape) == ((0, 4), (0,))


def test_torchvision(monkeypatch):
    class Fake(torch.nn.Module):
        def forward(self, images):
            boxes = torch.tensor([[10.0, 20, 40, 80], [0, 0, 5, 5]])
            labels, scores = torch.tensor([1, 2]), torch.tensor([0.9, 0.8])
            return [{"boxes": boxes, "labels": labels, "scores": scores} for _ in images]

    asked = []

    def build(name, weights, min_score, nms_iou):
        asked.append((name, weights, min_score, nms_iou))
        return Fake().eval(), "fake"

    monkeypatch.setattr(person_detectors, "build_detector", build)
    detector = make_detector("torchvision", CPU, 0.4)
    boxes, scores = detector(np.zeros((90, 90, 3), np.uint8))
    assert boxes.tolist() == [[10, 20, 30, 60]]
    assert scores.tolist() == pytest.approx([0.9])
    assert asked == [("fasterrcnn_resnet50_fpn_v2", None, 0.4, 0.5)]


def test_unknown_name():
    with pytest.raises(ValueError, match="found 'yolo', expected one of torchvision, rtdetr, pack"):
        make_detector("yolo", CPU, 0.5)
