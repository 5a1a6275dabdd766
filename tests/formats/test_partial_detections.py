"""The file that an interrupted search for people continues from."""

import json

import numpy as np
import pytest

from dcpose.formats.partial_detections import PartialDetections

BOX = np.array([[1, 2, 3.00049, 4]])
SETTINGS = {"detector": "stub", "nms_iou": 0.5}


def add(out, *keys, settings=SETTINGS):
    with PartialDetections(out, settings) as partial:
        for key in keys:
            partial.add(key, BOX, np.array([0.5]))
        return partial


def test_finished_files(tmp_path):
    out = tmp_path / "new" / "boxes.json"
    add(out, "b.jpg")
    with PartialDetections(out, SETTINGS) as partial:
        assert list(partial.done) == ["b.jpg"]
        partial.add("a.jpg", np.zeros((0, 4)), np.zeros(0))
        assert partial.finish(["a.jpg", "b.jpg"], "image_name", {"torch": "2"}) == 1
    assert json.loads(out.read_text()) == [
        {"image_name": "b.jpg", "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}
    ]
    meta = json.loads((out.parent / "boxes.meta.json").read_text())
    assert meta == {**SETTINGS, "torch": "2", "images": 2, "boxes": 1}
    assert len(list(out.parent.iterdir())) == 2
    with pytest.raises(ValueError, match="exists already"):
        PartialDetections(out, SETTINGS)


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_line_that_was_cut_short_is_made_again(tmp_path, cut):
    out = tmp_path / "boxes.json"
    path = add(out, 1, 2).path
    path.write_bytes(path.read_bytes()[:-cut])
    with PartialDetections(out, SETTINGS) as partial:
        assert list(partial.done) == [1]
        partial.add(2, BOX, np.array([0.5]))
        assert partial.finish([1, 2], "image_id", {}) == 2


def test_a_first_line_that_was_cut_short(tmp_path):
    out = tmp_path / "boxes.json"
    (tmp_path / "boxes.partial.jsonl").write_text('{"detec')
    assert add(out, 1).done.keys() == {1}


def test_other_settings_and_damage(tmp_path):
    out = tmp_path / "boxes.json"
    path = add(out, 1).path
    with pytest.raises(ValueError, match=r"another nms_iou \(0\.5, now 0\.7\)"):
        add(out, settings={**SETTINGS, "nms_iou": 0.7})
    path.write_text(json.dumps(SETTINGS) + "\nrubbish\n")
    with pytest.raises(ValueError, match="cannot be continued"):
        add(out)
    with pytest.raises(ValueError, match=r"<name>\.json"):
        add(tmp_path / "boxes.txt")
