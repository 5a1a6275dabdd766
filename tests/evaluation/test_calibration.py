"""From scores to probabilities."""

import json

import numpy as np
import pytest

from dcpose.evaluation.calibration import Calibration, calibration_error, fit, reliability


def test_error_of_probabilities_by_hand():
    # 0.9 for four of whom two are right, 0.1 for four of whom none is: (4 * 0.4 + 4 * 0.1) / 8
    probabilities = np.array([0.9] * 4 + [0.1] * 4)
    right = np.array([1, 1, 0, 0, 0, 0, 0, 0], bool)
    assert calibration_error(probabilities, right) == pytest.approx(0.25)
    bins = reliability(probabilities, right)
    assert bins[13].tolist() == pytest.approx([0.9, 0.5, 4])
    assert bins[:, 2].sum() == 8


def test_edges_have_a_bin():
    assert calibration_error(np.array([0.0, 1.0]), np.array([False, True])) == 0
    assert np.isnan(calibration_error(np.zeros(0), np.zeros(0, bool)))


def test_overconfident_scores_are_put_right():
    rng = np.random.default_rng(0)
    scores = rng.random(4000)
    right = rng.random(4000) < scores**2
    calibration = fit(scores[::2], right[::2], "a limit")
    held, held_right = scores[1::2], right[1::2]
    assert calibration_error(held, held_right) > 0.1
    assert calibration_error(calibration(held), held_right) < 0.03
    assert (np.diff(calibration.probabilities) >= 0).all()


def test_falling_shares_are_pooled():
    # two groups of 20: the lower scores are right more often, so both get the mean
    scores = np.linspace(0, 1, 40)
    right = np.arange(40) < 20
    calibration = fit(scores, right, "a limit")
    np.testing.assert_allclose(calibration.probabilities, 0.5)


def test_equal_scores_make_one_knot():
    calibration = fit(np.full(60, 0.7), np.arange(60) < 45, "a limit")
    assert calibration.scores.tolist() == pytest.approx([0.7])
    assert calibration(np.array([0.1, 0.7, 2])).tolist() == pytest.approx([0.75] * 3)


def test_too_few_joints():
    with pytest.raises(ValueError, match="39 scored joints, expected at least 40"):
        fit(np.zeros(39), np.zeros(39, bool), "a limit")


def test_json_and_back():
    calibration = Calibration(np.array([0.1, 0.5]), np.array([0.2, 0.9]), "0.5 head sizes")
    content = json.loads(json.dumps(calibration.to_json_dict()))
    again = Calibration.from_json(content, "card.json")
    assert again(np.array([[0.3]])) == pytest.approx(0.55)
    assert again.limit == "0.5 head sizes"


@pytest.mark.parametrize(
    "change",
    [
        {"scores": [0.5, 0.1]},
        {"probabilities": [0.9, 0.2]},
        {"probabilities": [0.2, 1.5]},
        {"probabilities": [0.2]},
        {"scores": [], "probabilities": []},
        {"limit": 3},
    ],
)
def test_other_content_is_refused(change):
    content = {"scores": [0.1, 0.5], "probabilities": [0.2, 0.9], "limit": "a limit", **change}
    with pytest.raises(ValueError, match=r"^card\.json"):
        Calibration.from_json(content, "card.json")


def _files(build, write, number, rng):
    """A video of 40 frames: wrists are off by more, the lower their score."""
    people, found = [], []
    for frame in range(40):
        people.append(build.person18(frame, 0, build.joint_column(), bbox_head=build.HEAD))
        scores = rng.random(17)
        column = np.reshape(build.joint_column(scores=[1.0] * 17), (17, 3))
        wrong = (rng.random(17) > scores**2) & (column[:, 2] > 0)
        column[wrong, 0] += 100  # half a head size is 30 px
        found.append(build.person18(frame, 0, column.ravel().tolist(), scores.tolist()))
    write(f"gt/{number}.json", build.video18(people, 40))
    write(f"pred/{number}.json", build.video18(found, 40))


def test_command_line(build, write, tmp_path, load_command, capsys):
    rng = np.random.default_rng(0)
    for number in range(4):
        _files(build, write, number, rng)
    card = write("card.json", {"name": "a model"})
    arguments = ["--annotations", str(tmp_path / "gt"), "--predictions", str(tmp_path / "pred")]
    out = tmp_path / "calibration.json"
    main = load_command("scripts/calibrate.py").main
    assert main([*arguments, "--out", str(out), "--card", str(card)]) == 0
    printed = capsys.readouterr().out
    assert "right is within 0.5 head sizes" in printed
    held_out = json.loads(out.read_text())["held_out"]
    assert held_out["ece_after"] < 0.04 < held_out["ece_before"]
    content = json.loads(card.read_text())
    assert content["name"] == "a model"
    assert Calibration.from_json(content["calibration"], "card")(np.array(0.99)) > 0.8
    card.write_text("[]")
    assert main([*arguments, "--out", str(out), "--card", str(card)]) == 2
    assert "expected a card" in capsys.readouterr().err
