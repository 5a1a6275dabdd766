"""The evaluator against cases measured with the official evaluator (poseval, numpy 2.4.6)."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from dcpose.evaluation.evaluator import evaluate_folders
from dcpose.skeleton import POSETRACK

REPOSITORY = Path(__file__).resolve().parents[2]
CASES = REPOSITORY.parent / "shared" / "goldens" / "ap"
CASE_NAMES = sorted(path.parent.name for path in CASES.glob("*/expected.json"))
MALFORMED = json.loads((CASES / "malformed" / "errors.json").read_text()) if CASE_NAMES else {}

pytestmark = pytest.mark.skipif(not CASE_NAMES, reason=f"no golden cases at {CASES}")


@pytest.fixture(scope="module")
def evaluate_ap():
    spec = importlib.util.spec_from_file_location(
        "evaluate_ap", REPOSITORY / "scripts" / "evaluate_ap.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def floats(values):
    return np.array([np.nan if value is None else value for value in values], dtype=float)


def expected_ap(expected):
    """AP of the case; where equal scores have no fixed order, that of ours (stable, reversed)."""
    ties = expected.get("ties", {})
    return floats(ties["ap_stable_sort_reversed"] if ties.get("any") else expected["ap"])


@pytest.mark.parametrize("name", CASE_NAMES)
def test_case_is_reproduced(name):
    expected = json.loads((CASES / name / "expected.json").read_text())
    result = evaluate_folders(CASES / name / "gt", CASES / name / "pred")

    # bitwise, not only to the 1e-9 that is promised: same operations in the same order
    np.testing.assert_array_equal(result.ap, expected_ap(expected))
    np.testing.assert_array_equal(result.precision, floats(expected["precision"]))
    np.testing.assert_array_equal(result.recall, floats(expected["recall"]))
    assert result.num_annotated.tolist() == expected["counts"]["gt"]
    assert result.num_predicted.tolist() == expected["counts"]["pred"]
    assert result.num_right.tolist() == expected["counts"]["tp"]
    assert result.num_frames == expected["frames_evaluated"]
    if name != "score_ties":
        groups = [result.groups[key] for key in expected["group_names"]]
        wanted = [expected["groups"]["ap"][key] for key in expected["group_names"]]
        np.testing.assert_array_equal(groups, floats(wanted))
        assert result.total == expected["total"]["ap"]


def test_ties_stay_between_worst_and_best_order():
    ties = json.loads((CASES / "score_ties" / "expected.json").read_text())["ties"]
    ap = evaluate_folders(CASES / "score_ties" / "gt", CASES / "score_ties" / "pred").ap
    assert (ap >= floats(ties["ap_worst_order"]) - 1e-9).all()
    assert (ap <= floats(ties["ap_best_order"]) + 1e-9).all()


@pytest.mark.parametrize("name", CASE_NAMES)
def test_command_line_writes_the_numbers(name, evaluate_ap, tmp_path, capsys):
    expected = json.loads((CASES / name / "expected.json").read_text())
    out = tmp_path / "out.json"
    code = evaluate_ap.main(
        [
            *("--annotations", str(CASES / name / "gt")),
            *("--predictions", str(CASES / name / "pred")),
            *("--json", str(out)),
        ]
    )
    written = json.loads(out.read_text())

    assert code == 0
    assert "Shoulder" in capsys.readouterr().out
    names = ["joint_names", "headline", "ap", "precision", "recall", "total", "groups"]
    assert list(written) == names
    assert tuple(written["joint_names"]) == POSETRACK.evaluation_names
    np.testing.assert_allclose(floats(written["ap"]), expected_ap(expected), rtol=0, atol=1e-9)
    assert list(written["groups"]) == expected["group_names"]


def malformed_arguments(name, tmp_path):
    annotations = CASES / "malformed" / name / "gt"
    if name == "gt_folder_empty":  # git keeps no empty folder, so the case has none
        annotations = tmp_path / "gt"
        annotations.mkdir()
    predictions = CASES / "malformed" / name / "pred"
    return ["--annotations", str(annotations), "--predictions", str(predictions)]


@pytest.mark.parametrize("name", sorted(MALFORMED))
def test_malformed_input(name, evaluate_ap, tmp_path, capsys):
    expected = MALFORMED[name]
    out = tmp_path / "out.json"
    code = evaluate_ap.main([*malformed_arguments(name, tmp_path), "--json", str(out)])
    captured = capsys.readouterr()

    if expected["outcome"] == "error":
        assert code == 2
        assert captured.out == ""
        assert captured.err.startswith("error: ")
        assert captured.err.count("\n") == 1
        assert f"malformed/{name}" in captured.err
    else:
        assert code == 0
        written = json.loads(out.read_text())
        np.testing.assert_allclose(floats(written["ap"]), expected_ap(expected), atol=1e-9)


# what the official evaluator accepts in silence and ours warns of
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("annotation_unknown_image", "6 annotations refer to unknown image ids"),
        ("duplicate_track_id_gt", "3 people share a track_id"),
        ("extra_prediction_file", "zz_garbage.json"),
        ("file_name_other_video", "paired by position"),
        ("gt_folder_empty", "no JSON files"),
        ("ignore_xy_lengths_differ", "different length"),
        ("image_duplicate_id", "repeat the id"),
        ("keypoint_nan", "not finite"),
        ("pt17_pred_point_no_score", "no score"),
        ("score_nan", "not finite"),
        ("scores_null", "no score"),
        ("scores_too_long", "surplus"),
        ("track_id_negative", "negative track_id"),
    ],
)
def test_suspicious_input_is_reported(name, words, evaluate_ap, tmp_path, caplog):
    assert evaluate_ap.main(malformed_arguments(name, tmp_path)) == 0
    assert words in caplog.text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("duplicate_track_id", ["000000.jpg, person 2", "track_id 1"]),
        ("keypoint_null", ["000000.jpg, person 1", "joint nose"]),
        ("coco_joint_names", ["head_bottom, head_top"]),
        ("two_videos_in_one_file", ["2 frames, expected the 3", "holds 2 videos"]),
        ("no_annotations", ["'annotations'", "empty list is fine"]),
        ("gt_no_bbox_head", ["person 1", "bbox_head", "add it"]),
        ("pt17_point_not_list", ["point 0", "'id' is 0", "[12.5]"]),
    ],
)
def test_errors_name_the_place_and_the_way_out(name, words, evaluate_ap, tmp_path, capsys):
    assert evaluate_ap.main(malformed_arguments(name, tmp_path)) == 2
    message = capsys.readouterr().err
    assert [word for word in words if word not in message] == []
