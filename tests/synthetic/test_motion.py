import numpy as np
import pytest

from dcpose.synthetic.actions import ACTIONS
from dcpose.synthetic.motion import POINTS, animate, as_labelled, draw_body, rotation

BONES = [
    ("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"), ("heel", "toe"),
]  # fmt: skip


def moving(action: str, yaw: float, frames: int = 24, seed: int = 0):
    rng = np.random.default_rng(seed)
    body = draw_body(rng)
    motion = animate(action, body, np.full(frames, yaw), rng)
    return body, motion, {name: motion.points[:, i] for i, name in enumerate(POINTS)}


@pytest.mark.parametrize("action", ACTIONS)
def test_bones_keep_their_length_and_the_lower_foot_stays_on_the_ground(action):
    body, motion, at = moving(action, 0.4)
    for side in ("left", "right"):
        for a, b in BONES:
            length = np.linalg.norm(at[f"{side}_{a}"] - at[f"{side}_{b}"], axis=-1)
            np.testing.assert_allclose(length, length[0], atol=1e-12)
    lowest = motion.points[..., 1].min(axis=1)
    assert (lowest > -0.1 * body.height).all()
    feet = np.stack([at[n] for n in POINTS if n.endswith(("heel", "toe"))])[..., 1].min(axis=0)
    # running and jumping people leave the ground by a few centimetres at most
    assert (feet > -1e-9).all()
    assert (feet < 0.15).all()


@pytest.mark.parametrize("action", ACTIONS)
def test_neighbouring_frames_are_close(action):
    body, motion, _ = moving(action, 0.0, seed=3)
    step = np.linalg.norm(np.diff(motion.points, axis=0), axis=-1) / body.height
    assert step.max() < 0.16
    assert 0.0005 < np.median(step) < 0.05


def test_who_faces_the_camera_has_the_left_side_at_the_right_of_the_image():
    body, _, at = moving("talk", 0.0)
    assert (at["left_shoulder"][:, 0] > at["right_shoulder"][:, 0] + body.shoulder).all()
    assert (at["left_hip"][:, 0] > at["right_hip"][:, 0]).all()
    assert (at["nose"][:, 2] > at["head"][:, 2]).all()


def test_who_walks_to_the_right_has_the_left_side_away_from_the_camera():
    _, _, at = moving("walk", np.pi / 2)
    assert (at["left_hip"][:, 2] < at["right_hip"][:, 2]).all()
    assert (at["left_toe"][:, 0] > at["left_heel"][:, 0]).all()


def test_walking_legs_take_turns():
    _, _, at = moving("walk", np.pi / 2, frames=60)
    lead = at["left_ankle"][:, 0] - at["right_ankle"][:, 0]
    assert lead.max() > 0.3
    assert lead.min() < -0.3


def test_people_label_shoulders_higher_and_hips_wider_apart():
    points = np.zeros((len(POINTS), 3))
    at = {name: points[i] for i, name in enumerate(POINTS)}
    at["neck"][:] = (0, 0, 0.5)  # lies on its back
    at["left_hip"][:], at["right_hip"][:] = (0.1, 0, 0), (-0.1, 0, 0)
    labels = as_labelled(points, 2.0)
    assert not points[POINTS.index("left_shoulder")].any()
    moved = {n: move for n, move in zip(POINTS, labels - points, strict=True) if move.any()}
    assert sorted(moved) == ["left_hip", "left_shoulder", "right_hip", "right_shoulder"]
    # 0.025 and 0.012 of 2 metres
    np.testing.assert_allclose(moved["left_shoulder"], (0, 0, 0.05))
    np.testing.assert_allclose(moved["right_shoulder"], (0, 0, 0.05))
    np.testing.assert_allclose(moved["left_hip"], (0.024, 0, 0))
    np.testing.assert_allclose(moved["right_hip"], (-0.024, 0, 0))


def test_rotation_turns_up_into_forward_about_x():
    # right-handed: a lean forward by 90 degrees brings (0, 1, 0) to (0, 0, 1)
    np.testing.assert_allclose(rotation(0, np.pi / 2)[0] @ (0, 1, 0), (0, 0, 1), atol=1e-15)
    np.testing.assert_allclose(rotation(1, np.pi / 2)[0] @ (0, 0, 1), (1, 0, 0), atol=1e-15)
    np.testing.assert_allclose(rotation(2, np.pi / 2)[0] @ (1, 0, 0), (0, 1, 0), atol=1e-15)


def test_unknown_action_is_named():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="unknown action 'fly', expected one of walk"):
        animate("fly", draw_body(rng), np.zeros(4), rng)
