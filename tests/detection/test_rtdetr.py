"""RT-DETR through transformers, tiny and untrained: nothing is fetched."""

import sys

import numpy as np
import pytest
import torch

from dcpose.detection.detectors import make_detector
from dcpose.detection.rtdetr import REPOSITORY
from dcpose.weights.zoo import read_zoo

IMAGE = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
SIZES = {"hidden_sizes": [8, 16, 16, 16], "depths": [1, 1, 1, 1], "embedding_size": 8}
LABELS = {0: "bicycle", 1: "person", 2: "car"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of a tiny RT-DETR, as transformers writes it."""
    transformers = pytest.importorskip("transformers", reason="the extra rtdetr is not installed")
    return save(transformers, tmp_path_factory.mktemp("rtdetr"), LABELS)


def save(transformers, folder, labels):
    stages = {"layer_type": "basic", "out_features": ["stage2", "stage3", "stage4"]}
    parts = {key: [16, 16, 16] for key in ("encoder_in_channels", "decoder_in_channels")}
    parts |= dict.fromkeys(("encoder_hidden_dim", "d_model"), 16)
    parts |= dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim"), 16)
    parts |= dict.fromkeys(("encoder_layers", "decoder_layers"), 1)
    parts |= dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 2)
    config = transformers.RTDetrConfig(
        backbone_config=transformers.RTDetrResNetConfig(**SIZES, **stages),
        num_queries=20,
        id2label=labels,
        label2id={name: label for label, name in labels.items()},
        **parts,
    )
    torch.manual_seed(0)
    model = transformers.RTDetrForObjectDetection(config)
    for name, parameter in model.named_parameters():
        if "decoder.class_embed" in name:  # at first it gives all classes the same
            torch.nn.init.normal_(parameter)
    model.save_pretrained(folder)
    transformers.RTDetrImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)
    return folder


def detect(folder, min_score=0.0):
    return make_detector("rtdetr", torch.device("cpu"), min_score, weights=folder)(IMAGE)


def test_boxes_lie_in_the_image_best_first(folder):
    boxes, scores = detect(folder)
    assert boxes.shape == (len(scores), 4)
    assert boxes.dtype == scores.dtype == np.float64
    assert 0 < len(scores) <= 20
    assert (np.diff(scores) <= 0).all()
    assert (boxes >= 0).all()
    assert (boxes[:, 2:] > 0).all()
    assert (boxes[:, :2] + boxes[:, 2:] <= [120, 90]).all()


def test_people_alone_and_above_the_threshold(folder):
    """The three classes share out the 20 queries; a threshold takes the better people."""
    import transformers

    model = transformers.AutoModelForObjectDetection.from_pretrained(folder).eval()
    pixels = transformers.AutoImageProcessor.from_pretrained(folder)(IMAGE, return_tensors="pt")
    with torch.no_grad():
        logits = model(**pixels).logits[0].sigmoid()
    best = logits.flatten().topk(20)
    people = best.values[best.indices % 3 == 1].numpy()
    _, scores = detect(folder)
    np.testing.assert_allclose(scores, people, rtol=1e-5)
    limit = float(scores[len(scores) // 2])
    _, fewer = detect(folder, min_score=limit)
    assert len(fewer) == int((scores > limit).sum())


def test_a_detector_of_other_things_is_refused(folder, tmp_path):
    import transformers

    save(transformers, tmp_path, {0: "bicycle", 1: "car"})
    with pytest.raises(ValueError, match="finds no person, expected a detector of COCO"):
        detect(tmp_path)


def test_an_empty_folder_says_what_to_give(folder, tmp_path):
    with pytest.raises(ValueError, match=r"cannot be read from .* --detector-weights"):
        detect(tmp_path / "nothing")


def test_offline_nothing_is_fetched(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("DCPOSE_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ValueError, match=rf"cannot be read from {REPOSITORY}"):
        detect(None)


def test_without_transformers_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ValueError, match=r"rtdetr needs .* pip install -U 'dcpose\[rtdetr\]'"):
        detect(None)


def test_the_zoo_names_it():
    assert read_zoo()["rtdetr_r50vd"].source == f"hf:{REPOSITORY}"
