"""The packaged detector: its file, its scores, and boxes in image pixels."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from dcpose.detection import packaged
from dcpose.detection.packaged import EVEN_LOGIT, LONG_SIDE, PackagedDetector
from dcpose.models.person_detector.network import STRIDE, PersonDetector

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("weights") / "detector.safetensors"
    state = {name: value.contiguous() for name, value in PersonDetector().state_dict().items()}
    save_file(state, file, {EVEN_LOGIT: "-1.5"})
    return file


class OneCentre(torch.nn.Module):
    """Finds one person of 64 x 64 pixels at the map's pixel (5, 3), with logit 0.5."""

    def forward(self, images):
        height, width = (side // STRIDE for side in images.shape[-2:])
        logits = torch.full((1, 1, height, width), -9.0)
        logits[0, 0, 3, 5] = 0.5
        return logits, torch.zeros(1, 4, height, width)


def test_boxes_are_those_of_the_image_and_scores_of_the_file(weights):
    detect = PackagedDetector(CPU, 0.3, 0.5, weights)
    detect._model = OneCentre()
    boxes, scores = detect(np.zeros((2 * 200, 2 * LONG_SIDE, 3), np.uint8))
    # centre (5.5, 3.5) * 8, half a side 32, of a picture that was searched at half its size;
    # the part above the image is cut off
    np.testing.assert_allclose(boxes, [[24, 0, 128, 120]])
    assert scores == pytest.approx(1 / (1 + np.exp(-(0.5 + 1.5))))


def test_low_scores_are_left_out(weights):
    detect = PackagedDetector(CPU, 0.95, 0.5, weights)
    detect._model = OneCentre()
    boxes, scores = detect(np.zeros((200, LONG_SIDE, 3), np.uint8))
    assert boxes.shape == (0, 4)
    assert scores.shape == (0,)


@pytest.mark.parametrize("shape", [(1, 1, 3), (500, 3, 3), (37, 1000, 3)])
def test_images_of_any_shape(weights, shape):
    boxes, scores = PackagedDetector(CPU, 0.0, 0.5, weights)(np.full(shape, 90, np.uint8))
    assert len(boxes) == len(scores)
    assert (boxes[:, :2] + boxes[:, 2:] <= np.array(shape[1::-1]) + 1e-3).all()


def test_halves_load_into_float32(weights, tmp_path):
    state = PersonDetector().state_dict()
    halves = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
    save_file(halves, tmp_path / "halves.safetensors")
    detect = PackagedDetector(CPU, 0.5, 0.5, tmp_path / "halves.safetensors")
    assert {p.dtype for p in detect._model.parameters()} == {torch.float32}


def test_the_packaged_file_fits():
    if not packaged.DETECTOR_WEIGHTS.is_file():
        pytest.skip("the detector is not in this checkout")
    assert packaged.DETECTOR_WEIGHTS.stat().st_size <= 8_000_000
    PackagedDetector(CPU, 0.5, 0.5)
