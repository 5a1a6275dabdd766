"""The packaged detector: its file, its scores, and boxes in image pixels."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from dcpose.detection import packaged
from dcpose.detection.packaged import PackagedDetector
from dcpose.models.person_detector.network import PersonDetector

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """An untrained network in halves."""
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("weights") / "detector.safetensors"
    state = PersonDetector().state_dict()
    halves = {
        name: (value.half() if value.is_floating_point() else value).contiguous()
        for name, value in state.items()
    }
    save_file(halves, file)
    return file


class TwoBoxes(torch.nn.Module):
    """Finds one person twice, and nobody."""

    def forward(self, images):
        logits = torch.tensor([[0.4, 0.5, -9.0]])
        boxes = torch.tensor([[[8.0, -4, 72, 60], [12, -4, 76, 60], [0, 0, 90, 90]]])
        return logits, boxes


def test_boxes_are_those_of_the_image(weights, monkeypatch):
    monkeypatch.setattr(packaged, "LONG_SIDES", (400,))
    detect = PackagedDetector(CPU, 0.3, weights)
    detect._model = TwoBoxes()
    boxes, scores = detect(np.zeros((400, 800, 3), np.uint8))
    # the picture was searched at half its size; what lies above it is cut off; the better box is at
    # 24, the other at 16, and they are averaged by their squared scores
    squares = (1 + np.exp(-np.array([0.4, 0.5]))) ** -2
    left = (16 * squares[0] + 24 * squares[1]) / squares.sum()
    np.testing.assert_allclose(boxes, [[left, 0, 128, 120]], rtol=1e-6)
    assert scores == pytest.approx(1 / (1 + np.exp(-0.5)))


def test_boxes_of_both_sizes_are_joined(weights, monkeypatch):
    monkeypatch.setattr(packaged, "LONG_SIDES", (100, 400))
    detect = PackagedDetector(CPU, 0.3, weights)
    detect._model = TwoBoxes()
    boxes, scores = detect(np.zeros((200, 400, 3), np.uint8))
    # the same boxes of a picture that was searched at a quarter of its size are 4 times as large
    assert len(boxes) == 2
    sides = np.sort(boxes[:, 2])
    np.testing.assert_allclose(sides, [64, 256], rtol=1e-6)
    assert scores[0] == scores[1]


def test_low_scores_are_left_out(weights):
    detect = PackagedDetector(CPU, 0.95, weights)
    detect._model = TwoBoxes()
    boxes, scores = detect(np.zeros((200, 400, 3), np.uint8))
    assert boxes.shape == (0, 4)
    assert scores.shape == (0,)


@pytest.mark.parametrize("shape", [(1, 1, 3), (500, 3, 3), (37, 1000, 3)])
def test_images_of_any_shape(weights, shape):
    boxes, scores = PackagedDetector(CPU, 0.01, weights)(np.full(shape, 90, np.uint8))
    assert len(boxes) == len(scores)
    assert (boxes[:, :2] + boxes[:, 2:] <= np.array(shape[1::-1]) + 1e-3).all()


def test_halves_load_into_float32(weights):
    detect = PackagedDetector(CPU, 0.5, weights)
    assert {value.dtype for value in detect._model.parameters()} == {torch.float32}
