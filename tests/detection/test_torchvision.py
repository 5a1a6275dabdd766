"""Detectors of torchvision and their weights (the networks are random: nothing is downloaded)."""

from urllib.error import URLError

import pytest
import torch
from torchvision.models import get_model

from dcpose.detection import torchvision as module
from dcpose.detection.torchvision import build_detector


class Tiny(torch.nn.Module):
    """Stands for the network; keeps the options it was built with."""

    def __init__(self, **options):
        super().__init__()
        self.options = options
        self.layer = torch.nn.Linear(2, 3)


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setattr("torchvision.models.get_model", lambda name, **options: Tiny(**options))


def test_weights_of_a_file(tiny, tmp_path):
    path = tmp_path / "detector.pth"
    state = Tiny().state_dict()
    torch.save(state, path)
    model, source = build_detector("fasterrcnn_resnet50_fpn_v2", path, 0.05, 0.4)
    assert not model.training
    assert torch.equal(model.layer.weight, state["layer.weight"])
    assert source.startswith("detector.pth ")
    assert model.options["box_score_thresh"] == 0.05
    assert model.options["box_nms_thresh"] == 0.4
    model, _ = build_detector("retinanet_resnet50_fpn_v2", path, 0.05, 0.4)
    assert model.options["score_thresh"] == 0.05


def test_weights_that_do_not_fit(tiny, tmp_path):
    path = tmp_path / "detector.pth"
    torch.save({"layer.weight": torch.zeros(3, 5), "other": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match=r"1 missing: layer.bias; 1 unexpected: other") as e:
        build_detector("fasterrcnn_resnet50_fpn_v2", path, 0.05, 0.5)
    assert "layer.weight (3, 5), expected (3, 2)" in str(e.value)


def test_no_network(tiny, monkeypatch):
    def refuse(*args, **kwargs):
        raise URLError("no route to host")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", refuse)
    with pytest.raises(ValueError, match=r"cannot be downloaded from https.*--weights FILE") as e:
        build_detector("fasterrcnn_resnet50_fpn_v2", None, 0.05, 0.5)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("name", module.DETECTORS)
def test_the_options_are_those_of_torchvision(name):
    score_key, nms_key = module._THRESHOLD_NAMES[name]
    with torch.device("meta"):
        model = get_model(
            name, weights=None, weights_backbone=None, num_classes=91,
            **{score_key: 0.25, nms_key: 0.75},
        )  # fmt: skip
    thresholds = model if name.startswith("retina") else model.roi_heads
    assert (thresholds.score_thresh, thresholds.nms_thresh) == (0.25, 0.75)
