"""The light person detector."""

import pytest
import torch

from dcpose.models.person_detector.network import PersonDetector, decode


def test_shapes_and_size():
    network = PersonDetector(channels=8)
    logits, boxes = network(torch.randn(2, 3, 64, 96))
    assert logits.shape == (2, 1, 8, 12)
    assert boxes.shape == (2, 4, 8, 12)
    halves = sum(p.numel() for p in PersonDetector().parameters()) * 2
    assert halves < 8e6  # bytes in float16


def test_an_untrained_network_finds_nobody():
    torch.manual_seed(0)
    network = PersonDetector().eval()
    with torch.inference_mode():
        ((boxes, scores),) = decode(*network(torch.randn(1, 3, 64, 64)), min_score=0.3)
    assert boxes.shape == (0, 4)
    assert scores.shape == (0,)


def test_decode_takes_peaks_best_first():
    logits = torch.full((1, 1, 8, 8), -9.0)
    logits[0, 0, 2, 3], logits[0, 0, 2, 4], logits[0, 0, 6, 6] = 1.0, 0.5, 2.0
    boxes = torch.zeros(1, 4, 8, 8)
    boxes[0, 0, 2, 3] = 0.5
    ((corners, scores),) = decode(logits, boxes, min_score=0.3)
    assert scores.tolist() == pytest.approx(torch.tensor([2.0, 1.0]).sigmoid().tolist())
    # centre x 8 * (3 + 0.5 + 0.5), y 8 * (2 + 0.5); sides of 64
    assert corners[1].tolist() == pytest.approx([0, -12, 64, 52])
    ((corners, _),) = decode(logits, boxes, min_score=0.3, most=1)
    assert len(corners) == 1
