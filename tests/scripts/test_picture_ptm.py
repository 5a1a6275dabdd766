"""scripts/picture_ptm.py: whom and what it draws, and its refusals."""

import cv2
import pytest

from dcpose import build_model, load_config
from dcpose.build.data import read_people
from dcpose.build.inference import build_stream
from dcpose.engine.inference import predict
from dcpose.geometry import apply_affine
from dcpose.skeleton import POSETRACK


@pytest.fixture(scope="module")
def script(load_command):
    return load_command("scripts/picture_ptm.py")


@pytest.fixture
def arguments(tiny_cfg, tiny_weights, run_here):
    return ["--cfg", str(tiny_cfg), "--weights", str(tiny_weights), "--out", "pictures/ptm.png"]


@pytest.mark.parametrize("affine", ["classic", "udp"])
def test_draws_the_joint_that_the_model_predicts(affine, script, tiny_cfg, tiny_weights):
    cfg = load_config(tiny_cfg, [f"data.affine={affine}"])
    model = build_model(cfg, str(tiny_weights))
    video, person = script.choose_person(*read_people(cfg, "val"), None, None, 0)
    joint = script.joint_index(POSETRACK, "left_knee")
    (batch,) = build_stream(cfg, [video], {video.name: [person]})
    stages = script.stages_of(model, batch, joint, affine)
    (pose,) = predict(model, [batch], batch.frames.device, affine=affine)
    cell = 4 if affine == "classic" else 31 / 7
    found = apply_affine(cell * stages.joint, batch.crop_to_image[0].numpy())
    assert found == pytest.approx(pose.joints[joint], abs=1e-3)
    assert stages.final.max() == pytest.approx(pose.heatmap_scores[joint])
    truth = apply_affine(cell * stages.truth, batch.crop_to_image[0].numpy())
    assert truth == pytest.approx(person.joints[joint, :2])
    assert [one.dilation for one in stages.samples] == [1]
    assert stages.samples[0].moved.shape == (9, 2)
    # the taps lie around the pixel of the joint
    assert abs(stages.samples[0].regular[4] - stages.joint).max() <= 0.5


def test_writes_a_picture(script, arguments, capsys):
    chosen = ["--video", "010002_mpii_test", "--frame", "6", "--joint", "right_wrist"]
    assert script.main([*arguments, *chosen]) == 0
    path = capsys.readouterr().out.strip()
    # before, frame, after, merged, final: five columns of the 32-pixel crop, ten-fold
    assert cv2.imread(path).shape[1] == 5 * (320 + 6) + 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--joint", "knee"], "--joint: found knee, expected one of nose, "),
        (["--video", "x"], "--video: found x, expected one with people: 010001_mpii_test, 0"),
        (["--frame", "0"], "--frame: found 0, expected one of 010001_mpii_test with people: 2,"),
        (["--person", "99"], "--person: found 99, expected 0 to "),
        (["model.ptm.channels=6"], "does not fit the model"),
    ],
)
def test_refuses(script, arguments, capsys, options, message):
    assert script.main([*arguments, *options]) == 2
    assert message in capsys.readouterr().err


def test_needs_dcpose(script, tiny_cfg, run_here, capsys):
    arguments = ["--cfg", str(tiny_cfg), "--out", "ptm.png", "--weights", "absent.pth"]
    assert script.main([*arguments, "model.name=single_frame"]) == 2
    assert "model.name: found single_frame, expected dcpose" in capsys.readouterr().err
