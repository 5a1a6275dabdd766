"""Images to person boxes, with a stub for the detector."""

import numpy as np
import torch

from dcpose.detection.torchvision import detect_people


class Stub:
    """Finds, in every image, a dog and two people whose place depends on the image."""

    def __init__(self):
        self.batches = []

    def __call__(self, images):
        self.batches.append([tuple(image.shape) for image in images])
        outputs = []
        for image in images:
            assert image.dtype == torch.float32
            x = float(image[0, 0, 0]) * 255
            corners = [[x, 2, x + 10, 22], [0, 0, 5, 5], [x, 3, x + 4, 9]]
            outputs.append(
                {
                    "boxes": torch.tensor(corners),
                    "labels": torch.tensor([1, 18, 1]),
                    "scores": torch.tensor([0.3, 0.9, 0.6]),
                }
            )
        return outputs


def test_boxes_of_people_best_first():
    images = [np.full((20 + k, 30, 3), 10 * k, np.uint8) for k in range(3)]
    stub = Stub()
    found = list(detect_people(stub, iter(images), 2, torch.device("cpu")))
    assert stub.batches == [[(3, 20, 30), (3, 21, 30)], [(3, 22, 30)]]
    boxes, scores = found[2]
    np.testing.assert_allclose(boxes, [[20, 3, 4, 6], [20, 2, 10, 20]], atol=1e-5)
    np.testing.assert_allclose(scores, [0.6, 0.3], atol=1e-7)


def test_nobody():
    def nobody(images):
        empty = torch.zeros(0)
        return [{"boxes": torch.zeros(0, 4), "labels": empty, "scores": empty} for _ in images]

    ((boxes, scores),) = detect_people(
        nobody, [np.zeros((9, 9, 3), np.uint8)], 1, torch.device("cpu")
    )
    assert (boxes.shape, scores.shape) == ((0, 4), (0,))
