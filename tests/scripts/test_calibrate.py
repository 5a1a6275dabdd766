"""scripts/calibrate.py: from files of val to a calibration that infer reads."""

import json

import numpy as np
import pytest

from dcpose.evaluation.calibration import read_calibration
from dcpose.skeleton import POSETRACK

FRAMES = 20


@pytest.fixture
def command(load_command):
    return load_command("scripts/calibrate.py").main


@pytest.fixture
def arguments(build, write, tmp_path):
    """Joints of score 0.9 are right in 13 frames of 20, those of 0.3 never; in two videos."""
    sure = np.arange(POSETRACK.num_joints) % 2 == 0
    scores = np.where(sure, 0.9, 0.3).tolist()
    for video in ("a", "b"):
        truth, found = [], []
        for frame in range(FRAMES):
            joints = build.joint_column()
            truth.append(build.person18(frame, 0, joints, bbox_head=build.HEAD))
            moved = np.reshape(build.joint_column(scores=scores), (-1, 3))
            wrong = ~sure | (frame % 3 == 0)
            moved[wrong, 0] += 60 * (moved[wrong, 0] > 0)
            found.append(build.person18(frame, 0, moved.ravel().tolist(), scores))
        write(f"gt/{video}.json", build.video18(truth, FRAMES))
        write(f"pred/{video}.json", build.video18(found, FRAMES))
    folders = ["--annotations", str(tmp_path / "gt"), "--predictions", str(tmp_path / "pred")]
    return [*folders, "--out", str(tmp_path / "calibration.json")]


def test_a_calibration_for_infer(command, arguments, tmp_path, write, capsys):
    card = write("card.json", {"format": "a card"})
    assert command([*arguments, "--card", str(card)]) == 0
    printed = capsys.readouterr().out
    assert "right is within 0.5 head sizes" in printed
    assert "calibrated 0.000" in printed
    for file in (tmp_path / "calibration.json", card):
        calibration = read_calibration(file)
        np.testing.assert_allclose(calibration(np.array([0.3, 0.9])), [0, 0.65], atol=1e-6)
    content = json.loads((tmp_path / "calibration.json").read_text())
    # of the eight joints of score 0.9 and seven of 0.3
    before = (8 * (0.9 - 0.65) + 7 * 0.3) / 15
    assert content["held_out"]["ece_before"] == pytest.approx(before, abs=1e-3)
    assert json.loads(card.read_text())["format"] == "a card"


def test_errors_are_one_line(command, arguments, write, capsys):
    assert command([*arguments, "--card", str(write("card.json", []))]) == 2
    assert "expected a card" in capsys.readouterr().err
    write("pred/b.json", "{")
    assert command(arguments) == 2
    assert capsys.readouterr().err.count("\n") == 1
