"""What the probe says of numbers."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from dcpose.evaluation.evaluator import APResult
from dcpose.report.probe import Probe, probe_table, read_joints, sentence, share_moved


def result(total, **subsets):
    ap = np.full(15, float(total))
    counts = np.ones(15, np.int64)
    parts = {label: result(value) for label, value in subsets.items()}
    return APResult(ap, ap, ap, counts, counts, counts, 1, 1, num_people=7, subsets=parts)


def probes(current, backward, other):
    return {
        "as_is": Probe(result(80, clean=90, occlusion=60), 0.0),
        "current": Probe(*current),
        "reversed": Probe(*backward),
        "other_video": Probe(*other),
    }


def test_a_model_that_does_not_look():
    same = (result(80, clean=90, occlusion=60), 0.0)
    assert "does not look at neighbours" in sentence("x", probes(same, same, same))


def test_a_model_that_looks():
    seen = probes(
        (result(76, clean=89, occlusion=50), 0.5),
        (result(80, clean=90, occlusion=60), 0.0009),
        (result(71, clean=80, occlusion=45), 0.8),
    )
    assert sentence("x", seen) == (
        "x looks at neighbours: neighbours are worth +4.0 AP (most: occlusion, +10.0), reversing "
        "their order changes nothing, and those of another video change it by -9.0."
    )
    lines = probe_table(seen).markdown().splitlines()
    assert lines[0] == "| neighbours | AP | change | clean (7) | occlusion (7) | joints moved |"
    assert lines[2] == "| as they are | 80.0 |  | 90.0 | 60.0 |  |"
    assert lines[3] == "| the current frame | 76.0 | -4.0 | 89.0 | 50.0 | 50.0 % |"


def test_numbers_alike_with_moved_joints_are_not_called_nothing():
    alike = (result(80, clean=90, occlusion=60), 0.2)
    assert "reversing their order changes AP by +0.0" in sentence("x", probes(alike, alike, alike))


def test_share_moved():
    still, moved = np.zeros((4, 2)), np.zeros((4, 2))
    moved[0] = [0.0, 0.02]
    moved[1] = [0.006, 0.0]  # less than a hundredth of a pixel
    assert share_moved({"a": still, "b": still}, {"a": still, "b": moved}) == 0.125
    assert share_moved({"a": still}, {"b": still}) == 1.0
    with pytest.raises(ValueError, match="hold nobody"):
        share_moved({}, {})


def test_read_joints(tmp_path):
    entry = SimpleNamespace(image_id=3, bbox=[1, 2, 3, 4], keypoints=[5, 6, 1, 7, 8, 0.5])
    (tmp_path / "v.json").write_text(json.dumps({"annotations": [vars(entry)]}))
    ((key, joints),) = read_joints(tmp_path).items()
    assert key == ("v", 3, 1, 2, 3, 4)
    assert joints.tolist() == [[5, 6], [7, 8]]
