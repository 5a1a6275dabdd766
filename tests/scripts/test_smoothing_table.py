"""scripts/smoothing_table.py: what smoothing does to jitter and AP."""

import json

import numpy as np
import pytest

from dcpose.skeleton import POSETRACK

FRAMES = 12


@pytest.fixture
def arguments(build, write, tmp_path):
    """Somebody who moves 4 px a frame, found 2 px to either side in turn."""
    truth, found = [], []
    for frame in range(FRAMES):
        joints = build.joint_column(offset_x=4 * frame)
        box = {"bbox": [90 + 4 * frame, 40, 100, 100]}
        truth.append(build.person18(frame, 0, joints, bbox_head=build.HEAD, **box))
        wrong = build.joint_column(offset_x=4 * frame + 2 * (-1) ** frame)
        found.append(
            build.person18(frame, 0, wrong, [0.9] * POSETRACK.num_joints, score=1.0, **box)
        )
    write("gt/a.json", build.video18(truth, FRAMES))
    write("pred/a.json", build.video18(found, FRAMES))
    folders = ["--annotations", str(tmp_path / "gt"), "--predictions", str(tmp_path / "pred")]
    return [*folders, "--out", str(tmp_path / "out")]


def test_a_table(load_command, arguments, tmp_path, capsys):
    script = load_command("scripts/smoothing_table.py")
    assert script.main(arguments) == 0
    lines = (tmp_path / "out" / "table.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    assert [row[0] for row in rows] == ["none", "online", "offline"]
    values = np.array([row[1:] for row in rows], float)
    # the second difference of +2, -2, +2 is 8 px, of a person of 100 px; ears do not count
    present = 15 / 17
    assert values[0] == pytest.approx([8 * present, 2, 100, 100], abs=0.01)
    assert values[2, 0] < values[0, 0] / 2 < values[1, 0] < values[0, 0]
    assert values[2, 1] < values[1, 1] < values[0, 1]
    assert values[2, 3] == 100
    # the files stay as they were
    entry = json.loads((tmp_path / "pred" / "a.json").read_text())["annotations"][0]
    assert entry["keypoints"][0] == 102
    assert script.main(arguments) == 2
    assert "is there already" in capsys.readouterr().err
