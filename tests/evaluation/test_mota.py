"""MOTA and IDF1: against the official evaluator, and by hand."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from dcpose.evaluation.matching import evaluated_people
from dcpose.evaluation.mota import accumulate_joints, evaluate_tracks
from dcpose.formats.posetrack.predictions import read_poses
from dcpose.report.results import tracks_text

motmetrics = pytest.importorskip("motmetrics")

CASES = Path(__file__).resolve().parents[3] / "shared" / "goldens" / "ap"
GOLDENS = {
    path.parent.name: json.loads(path.read_text())["mot"]
    for path in sorted(CASES.glob("*/expected.json"))
}
DEFINED = [name for name, numbers in GOLDENS.items() if "error" not in numbers]


def floats(values):
    return np.array([np.nan if value is None else value for value in values], dtype=float)


def motp_of_poseval(case, num_detections):
    """What poseval gives with motmetrics 1.2 and later: it adds up the whole column of distances,
    raw pairs and repeated events included."""
    total = np.zeros(15)
    for path in sorted((case / "gt").glob("*.json")):
        annotated, predicted, frames = evaluated_people(
            read_poses(path, "annotations"),
            read_poses(case / "pred" / path.name, "predictions"),
        )
        accumulators = accumulate_joints(motmetrics, annotated, predicted, frames)
        total += [accumulator.events["D"].sum() for accumulator in accumulators]
    with np.errstate(all="ignore"):
        return np.where(num_detections, 100 * (1 - total / num_detections), 0)


def assert_equal(values, expected, what):
    with_total = np.append(values, np.nanmean(values))
    np.testing.assert_allclose(with_total, floats(expected), rtol=0, atol=1e-9, err_msg=what)


@pytest.mark.parametrize("name", DEFINED)
def test_goldens(name):
    case, expected = CASES / name, GOLDENS[name]
    result = evaluate_tracks(case / "gt", case / "pred")
    assert_equal(result.mota, expected["mota"], "mota")
    assert_equal(result.precision, expected["pre"], "precision")
    assert_equal(result.recall, expected["rec"], "recall")
    if name in ("jitter", "extra_persons", "threshold_exact"):
        assert_equal(motp_of_poseval(case, result.num_detections), expected["motp"], "motp")


@pytest.mark.skipif(not DEFINED, reason=f"no golden cases at {CASES}")
def test_motp_of_the_first_motmetrics():
    # jitter: 71.70 with motmetrics 1.0.2, whose column of distances holds right joints alone
    case = CASES / "jitter"
    assert evaluate_tracks(case / "gt", case / "pred").motp.mean() == pytest.approx(71.70, abs=5e-3)


@pytest.mark.skipif(not GOLDENS, reason=f"no golden cases at {CASES}")
def test_videos_of_one_frame_have_no_mota():
    # poseval ends in an IndexError here: it leaves the last frame out, and has no other
    case = CASES / "mmpose_real"
    result = evaluate_tracks(case / "gt", case / "pred")
    assert np.isnan(result.mota).all()
    assert result.to_json_dict()["total"]["mota"] is None
    assert result.idf1 > 0  # looks at every frame


@pytest.fixture
def measure(build, write):
    """Measure people of one video: measure(annotated, predicted), lists of (frame, id, x)."""

    def run(annotated, predicted, num_frames=4, box=None):
        folders = {}
        for side, people in (("gt", annotated), ("pred", predicted)):
            more = {"bbox_head": build.HEAD} if side == "gt" else {}
            rows = [
                build.person18(
                    frame,
                    track,
                    build.joint_column(x),
                    [1.0] * 17,
                    bbox=box or [80 + x, 40, 40, 180],
                    **more,
                )
                for frame, track, x in people
            ]
            folders[side] = write(f"{side}/a.json", build.video18(rows, num_frames)).parent
        return evaluate_tracks(folders["gt"], folders["pred"])

    return run


def test_a_switch_a_miss_and_a_false_positive(measure):
    # Of four frames three count for MOTA. Two people, 500 px apart: six annotated joints of each
    # kind. Person 0 changes its id in frame 1 (switch), person 1 is missed in frame 2, and
    # somebody is seen at 2000 in frame 2: MOTA = 1 - (1 miss + 1 switch + 1 false positive) / 6.
    annotated = [(f, i, 500 * i) for f in range(4) for i in (0, 1)]
    predicted = [
        (0, 5, 0), (0, 6, 500), (1, 7, 0), (1, 6, 500), (2, 7, 0), (2, 8, 2000), (3, 7, 6),
        (3, 6, 500),
    ]  # fmt: skip
    result = measure(annotated, predicted)
    np.testing.assert_array_equal(result.num_objects, 6)
    np.testing.assert_array_equal(result.num_switches, 1)
    np.testing.assert_allclose(result.mota, 50)
    np.testing.assert_allclose(result.precision, 100 * 5 / 6)
    np.testing.assert_allclose(result.recall, 100 * 5 / 6)
    np.testing.assert_allclose(result.motp, 100)
    # IDF1, four frames, eight boxes on each side: identities 7 -> 0 and 6 -> 1 are right three
    # times each, one box of 5 and one of 8 are wrong, and so are two annotated ones
    assert (result.id_true_positives, result.id_false_positives) == (6, 2)
    assert result.id_false_negatives == 2
    assert result.idf1 == pytest.approx(75)
    assert result.id_switches == 1


def test_closeness_is_the_share_of_a_head_size(measure):
    # 12 px of a head size of 60 px
    result = measure([(0, 0, 0), (1, 0, 0)], [(0, 3, 12), (1, 3, 12)])
    np.testing.assert_allclose(result.motp, 80)
    np.testing.assert_allclose(result.mota, 100)


def test_boxes_of_the_file_are_those_of_people(measure):
    # joints that are all wrong: MOTA sees nothing right, the boxes are the same
    result = measure([(0, 0, 0), (1, 0, 0)], [(0, 3, 90), (1, 3, 90)], box=[90, 40, 30, 200])
    np.testing.assert_allclose(result.mota, -100)
    assert result.idf1 == 100


@pytest.mark.skipif(not DEFINED, reason=f"no golden cases at {CASES}")
def test_without_boxes_the_extent_of_the_joints_is_that_of_people():
    case = CASES / "pt17_format"  # a form without person boxes
    assert evaluate_tracks(case / "gt", case / "gt").idf1 == 100
    assert 0 < evaluate_tracks(case / "gt", case / "pred").idf1 < 100


def test_nobody_anywhere(measure):
    result = measure([], [])
    assert np.isnan(result.idf1)
    assert "nan" in tracks_text(result)
    assert result.to_json_dict()["idf1"] is None


def test_two_people_with_one_id_in_a_frame(measure):
    with pytest.raises(ValueError, match=r"a\.json: frame .*000001\.jpg: track_id 4 is"):
        measure([(0, 4, 0), (1, 4, 0), (1, 4, 300)], [(0, 0, 0)])


def test_without_motmetrics_the_message_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "motmetrics", None)
    with pytest.raises(ValueError, match=r"MOTA and IDF1 needs .* pip install -U 'dcpose\[mota\]'"):
        evaluate_tracks(tmp_path, tmp_path)
