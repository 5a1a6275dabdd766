"""How rendered people are built and how they move (NumPy only).

Conventions of the rendered data:
    body axes   left, up, forward of the person, right-handed
    world axes  x to the right of the image, y up, z towards the camera, metres;
                at yaw 0 a person faces the camera, at yaw +90 degrees the right image border
    N           frames of a video; sides are stacked as (2, N): left, right
Angles are in radians. Bends are positive forward (hip, shoulder, elbow) or backward (knee).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

FRAMES_PER_SECOND = 25.0

POINTS = (
    "pelvis", "neck", "head_bottom", "head", "head_top", "nose",
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
    "left_hand", "right_hand", "left_hip", "right_hip", "left_knee", "right_knee",
    "left_ankle", "right_ankle", "left_heel", "right_heel", "left_toe", "right_toe",
)  # fmt: skip
"""Names of the points of a moving body; a superset of the labelled joints."""

LEFT, UP, FORWARD = np.eye(3)
SIDES = np.array([[1.0], [-1.0]])
"""Opposite signs for left and right limbs, (2, 1)."""


@dataclass(frozen=True)
class Body:
    """Sizes of one person.

    Attributes:
        height: metres.
        bulk: factor on the thickness of limbs and waist, about 0.85 (thin) to 1.3.
        shoulder: half the distance of the shoulder joints, metres.
        hip: half the distance of the hip joints, metres.
        leg: factor on the length of the legs, about 0.94 to 1.06.
        arm: factor on the length of the arms.
        head: factor on the size of the head.
    """

    height: float
    bulk: float
    shoulder: float
    hip: float
    leg: float
    arm: float
    head: float


@dataclass(frozen=True, eq=False)
class Motion:
    """A body in N frames, relative to its place on the ground.

    Attributes:
        points: (N, P, 3) world axes, metres, the ground at y = 0; P as in `POINTS`.
        torso: (N, 3, 3) columns are the left, up and forward axes of the chest in world axes.
        head: (N, 3, 3) the same for the head.
    """

    points: np.ndarray
    torso: np.ndarray
    head: np.ndarray


def draw_body(rng: np.random.Generator, height_range: tuple[float, float] = (1.5, 1.95)) -> Body:
    """Draw the sizes of a person, from short and thin to tall and broad; heights in metres."""
    height = rng.uniform(*height_range)
    return Body(
        height=height,
        bulk=rng.uniform(0.85, 1.3),
        shoulder=height * rng.uniform(0.096, 0.118),
        hip=height * rng.uniform(0.048, 0.06),
        leg=rng.uniform(0.94, 1.06),
        arm=rng.uniform(0.94, 1.06),
        head=rng.uniform(0.95, 1.2) * (1.9 / height) ** 0.4,
    )


Angles = dict[str, np.ndarray]
Action = Callable[[np.ndarray, np.ndarray], Angles]


def _rest(frames: int) -> Angles:
    """Angles of somebody who stands relaxed: (N,) per body angle, (2, N) per limb angle."""
    whole = ("pitch", "roll", "twist", "head_yaw", "head_pitch", "head_roll", "bounce")
    limbs = {"arm": 0.05, "arm_out": 0.14, "arm_turn": 0.0, "elbow": 0.2, "leg": 0.03}
    limbs |= {"leg_out": 0.06, "knee": 0.06}
    angles = {name: np.zeros(frames) for name in whole}
    return angles | {name: np.full((2, frames), value) for name, value in limbs.items()}


def _both(theta: np.ndarray) -> np.ndarray:
    """Phase of the left and of the opposite right limb, (2, N)."""
    return np.stack([theta, theta + np.pi])


def _bell(theta: np.ndarray) -> np.ndarray:
    """A smooth bump per turn, 0 to 1."""
    return ((1 + np.cos(theta)) / 2) ** 2


def _walk(theta: np.ndarray, style: np.ndarray) -> Angles:
    angles, phase = _rest(len(theta)), _both(theta)
    angles["leg"] = 0.08 + 0.4 * style[0] * np.sin(phase)
    # the knee bends early in the swing, while the thigh still comes forward
    angles["knee"] = 0.08 + 0.95 * style[1] * _bell(phase + 0.4)
    angles["arm"] = -0.45 * style[2] * np.sin(phase)
    angles["elbow"] = 0.35 * style[3] - 0.18 * np.sin(phase)
    angles["twist"] = 0.14 * style[4] * np.sin(theta)
    angles["roll"] = 0.04 * np.cos(theta)
    angles["pitch"] = np.full_like(theta, 0.05 * style[5])
    return angles


def _run(theta: np.ndarray, style: np.ndarray) -> Angles:
    angles, phase = _rest(len(theta)), _both(theta)
    angles["leg"] = 0.3 + 0.62 * style[0] * np.sin(phase)
    angles["knee"] = 0.3 + 1.35 * style[1] * _bell(phase + 0.6)
    angles["arm"] = -0.1 - 0.65 * style[2] * np.sin(phase)
    angles["elbow"] = 1.45 * style[3] - 0.25 * np.sin(phase)
    angles["twist"] = 0.2 * style[4] * np.sin(theta)
    angles["pitch"] = np.full_like(theta, 0.2 * style[5])
    angles["bounce"] = 0.03 * (1 + np.cos(2 * theta))
    return angles


def _wave(theta: np.ndarray, style: np.ndarray) -> Angles:
    angles = _rest(len(theta))
    side = int(style[0] > 1)
    angles["arm_out"][side] = 1.5 * style[1] + 0.15 * np.sin(theta)
    angles["arm_turn"][side] = -np.pi / 2
    angles["elbow"][side] = 1.0 * style[2] + 0.45 * np.sin(theta)
    angles["arm"][1 - side] += 0.15 * np.sin(theta / 2)
    angles["elbow"][1 - side] = 0.3 * style[3] + (style[4] > 1.05) * 1.3
    angles["roll"] = 0.05 * np.sin(theta / 2)
    return angles


def _squat(theta: np.ndarray, style: np.ndarray) -> Angles:
    angles, depth = _rest(len(theta)), (1 - np.cos(theta / 2)) / 2
    angles["leg"] = np.tile(1.5 * style[0] * depth, (2, 1))
    angles["knee"] = np.tile(0.06 + 1.9 * style[0] * depth, (2, 1))
    angles["leg_out"] += 0.25 * style[1] * depth
    angles["arm"] = np.tile(1.4 * style[2] * depth, (2, 1))
    angles["elbow"] += 0.5 * (style[3] - 0.8) * depth
    angles["pitch"] = 0.55 * style[4] * depth
    angles["head_pitch"] = -0.3 * depth
    return angles


def _dance(theta: np.ndarray, style: np.ndarray) -> Angles:
    angles, phase = _rest(len(theta)), _both(theta / 2)
    angles["arm_out"] = 0.9 * style[0] + 0.6 * style[1] * np.sin(phase)
    angles["arm"] = 0.5 * (style[2] - 0.8) + 0.5 * np.cos(phase + style[3])
    angles["arm_turn"] = -0.9 * style[4] + 0.7 * np.sin(phase * 2)
    angles["elbow"] = 1.1 * style[5] + 0.5 * np.sin(phase + 1)
    angles["leg"] = 0.15 + 0.25 * style[6] * np.sin(phase)
    angles["knee"] = 0.2 + 0.7 * _bell(phase)
    angles["leg_out"] = 0.12 + 0.1 * np.sin(phase)
    angles["roll"] = 0.14 * style[7] * np.sin(theta / 2)
    angles["twist"] = 0.3 * style[1] * np.sin(theta / 2 + 0.5)
    angles["head_roll"] = 0.15 * np.sin(theta / 2)
    return angles


def _jumping_jack(theta: np.ndarray, style: np.ndarray) -> Angles:
    angles, spread = _rest(len(theta)), (1 - np.cos(theta / 2)) / 2
    angles["arm_out"] = np.tile(0.15 + 2.4 * style[0] * spread, (2, 1))
    angles["leg_out"] = np.tile(0.04 + 0.42 * style[1] * spread, (2, 1))
    angles["elbow"] += 0.3 * style[2] * spread
    angles["bounce"] = 0.05 * style[3] * np.sin(theta / 2) ** 2
    return angles


def _box(theta: np.ndarray, style: np.ndarray) -> Angles:
    angles, punch = _rest(len(theta)), _bell(_both(theta / 1.5))
    angles["arm"] = 0.5 + 0.9 * style[0] * punch
    angles["elbow"] = 2.1 - 1.8 * punch
    angles["arm_out"] += 0.15 * style[1]
    angles["leg"] = np.stack([0.4 * np.ones_like(theta), -0.25 * style[2] * np.ones_like(theta)])
    angles["knee"] = 0.35 + 0.1 * np.sin(_both(theta))
    angles["twist"] = 0.35 * style[3] * np.sin(theta / 1.5)
    angles["pitch"] = np.full_like(theta, 0.15)
    return angles


def _kick(theta: np.ndarray, style: np.ndarray) -> Angles:
    angles, side, swing = _rest(len(theta)), int(style[0] > 1), np.sin(theta / 2)
    angles["leg"][side] = 0.3 + 0.75 * style[1] * swing
    angles["knee"][side] = 0.25 + 0.8 * _bell(theta / 2 + 1.6)
    angles["arm"][1 - side] = 0.6 * style[2] * swing
    angles["arm"][side] = -0.5 * style[2] * swing
    angles["arm_out"] += 0.35 * style[3]
    angles["pitch"] = -0.12 * swing
    return angles


def _talk(theta: np.ndarray, style: np.ndarray) -> Angles:
    angles, phase = _rest(len(theta)), _both(theta / 2)
    angles["arm"] = 0.35 * style[0] + 0.25 * np.sin(phase * style[1])
    angles["arm_out"] += 0.2 * (style[2] - 0.8) + 0.12 * np.sin(phase + 2)
    angles["elbow"] = 1.2 * style[3] + 0.35 * np.sin(phase + style[4] * 3)
    angles["arm_turn"] = 0.5 * (style[5] - 1) + 0.3 * np.cos(phase)
    angles["head_yaw"] = 0.4 * (style[6] - 1) + 0.25 * np.sin(theta / 3)
    angles["leg"][0] += 0.2 * (style[7] - 1)
    return angles


def _reach(theta: np.ndarray, style: np.ndarray) -> Angles:
    angles, phase = _rest(len(theta)), _both(theta / 2)
    angles["arm"] = 1.6 * style[0] + 0.9 * style[1] * np.sin(phase)
    angles["elbow"] = 0.35 + 0.3 * np.cos(phase)
    angles["arm_out"] += 0.25 * style[2]
    angles["roll"] = 0.12 * np.sin(theta / 2)
    angles["head_pitch"] = np.full_like(theta, -0.2)
    return angles


def _sit(theta: np.ndarray, style: np.ndarray) -> Angles:
    angles, phase = _rest(len(theta)), _both(theta / 4)
    angles["leg"] = 1.42 * style[0] + 0.5 * SIDES * (style[1] - 1)
    angles["knee"] = 1.35 * style[2] + 0.1 * np.sin(phase)
    angles["leg_out"] += 0.6 * (style[3] - 0.8)
    angles["pitch"] = 0.12 + 1.2 * (style[4] - 0.95) + 0.04 * np.sin(theta / 3)
    _place_arms(angles, style[5:], phase)
    angles["head_pitch"] = np.full_like(theta, 1.2 * (style[4] - 0.9))
    return angles


def _stand(theta: np.ndarray, style: np.ndarray) -> Angles:
    angles, phase = _rest(len(theta)), _both(theta / 4)
    angles["leg_out"] += 0.5 * (style[0] - 0.8)
    angles["leg"] += SIDES * (style[1] - 1)
    angles["knee"] += 0.6 * np.maximum(SIDES * (style[2] - 1), 0)
    angles["roll"] = 0.3 * (style[3] - 1) + 0.03 * np.sin(theta / 3)
    angles["pitch"] = np.full_like(theta, max(1.5 * (style[4] - 1), -0.1))
    _place_arms(angles, style[5:], phase)
    return angles


def _place_arms(angles: Angles, style: np.ndarray, phase: np.ndarray) -> None:
    """Each hand in the lap, on a table, on the hip, before the chest or at the face."""
    places = ("lap", "table", "hip", "chest", "face")
    poses = {"lap": (0.35, 0.12, 0.3, 0.9), "table": (0.75, 0.25, 0.4, 1.1),
             "hip": (-0.25, 0.75, 0.9, 1.5), "chest": (0.45, 0.2, 0.9, 1.9),
             "face": (0.95, 0.25, 0.5, 2.3)}  # fmt: skip
    # both hands do the same more often than not
    same = style[2] < 1.1
    for side in (0, 1):
        share = (style[0 if same else side] - 0.8) / 0.4
        arm, out, turn, elbow = poses[places[min(int(share * len(places)), len(places) - 1)]]
        angles["arm"][side] = arm + 0.06 * np.sin(phase[side])
        angles["arm_out"][side] = out
        angles["arm_turn"][side] = turn
        angles["elbow"][side] = elbow + 0.12 * np.sin(2 * phase[side])


def _swing(theta: np.ndarray, style: np.ndarray) -> Angles:
    """Both hands on a bat, a racket, a club or a pole."""
    angles, turn = _rest(len(theta)), np.sin(theta / 2)
    lead = SIDES * (1 if style[0] > 1 else -1)
    angles["twist"] = 0.8 * style[1] * turn * lead[0, 0]
    angles["pitch"] = 0.3 * style[2] + 0.1 * turn
    height = 2.4 * (style[3] - 0.8)
    angles["arm"] = 0.8 + height + 0.35 * lead * turn
    angles["arm_turn"] = 0.5 * style[4] + 0.3 * lead * turn
    angles["elbow"] = 0.8 * style[5] - 0.45 * lead * turn
    angles["leg"] = 0.35 + 0.4 * lead * (style[6] - 0.6) + 0.1 * turn
    angles["knee"] = 0.55 * style[7] + 0.15 * lead * turn
    angles["leg_out"] += 0.28
    return angles


def _crouch(theta: np.ndarray, style: np.ndarray) -> Angles:
    """Low on a board or skis, or behind a catcher's mitt."""
    angles, phase = _rest(len(theta)), _both(theta / 3)
    depth = 0.5 + 1.6 * (style[0] - 0.8)
    angles["leg"] = 1.25 * depth + 0.15 * np.sin(phase)
    angles["knee"] = 1.6 * depth + 0.15 * np.sin(phase + 1)
    angles["leg_out"] += 0.35 * style[1]
    angles["pitch"] = 0.45 * style[2] + 0.1 * np.sin(theta / 3)
    angles["arm"] = 0.5 * style[3] + 2.7 * SIDES * (style[4] - 1)
    angles["arm_out"] = 0.3 + 2.2 * (style[5] - 0.8) + 0.2 * np.sin(phase)
    angles["elbow"] = 0.7 * style[6] + 0.4 * np.cos(phase)
    angles["head_pitch"] = np.full_like(theta, -0.3)
    return angles


def _lunge(theta: np.ndarray, style: np.ndarray) -> Angles:
    """One foot far in front of the other."""
    angles, phase = _rest(len(theta)), _both(theta / 3)
    lead = SIDES * (1 if style[0] > 1 else -1)
    angles["leg"] = 0.3 + 0.75 * style[1] * lead + 0.1 * np.sin(phase)
    angles["knee"] = 0.75 * style[2] + 0.35 * lead
    angles["pitch"] = 0.5 * (style[3] - 0.7) + 0.05 * np.sin(theta / 2)
    angles["arm"] = 0.4 - 0.9 * style[4] * lead + 0.3 * np.sin(phase)
    angles["arm_out"] += 1.2 * (style[5] - 0.8)
    angles["elbow"] = 1.1 * style[6] + 0.3 * np.sin(phase)
    return angles


ACTIONS: dict[str, tuple[Action, float]] = {
    "walk": (_walk, 0.95), "run": (_run, 1.25), "wave": (_wave, 1.0), "squat": (_squat, 0.9),
    "dance": (_dance, 1.2), "jumping_jack": (_jumping_jack, 1.0), "box": (_box, 1.1),
    "kick": (_kick, 1.0), "talk": (_talk, 1.0), "reach": (_reach, 0.9), "sit": (_sit, 0.8),
    "stand": (_stand, 0.8), "swing": (_swing, 1.2), "crouch": (_crouch, 0.9),
    "lunge": (_lunge, 0.9),
}  # fmt: skip
"""What people do, with the turns of the phase per second."""


def animate(
    action: str,
    body: Body,
    yaw: np.ndarray,
    rng: np.random.Generator,
    pace: float = 1.0,
    variety: float = 1.0,
) -> Motion:
    """Move a body through one action with a style of its own.

    Args:
        action: a key of `ACTIONS`.
        body: whose sizes.
        yaw: (N,) direction that the person faces in each frame.
        rng: draws phase, tempo and style.
        pace: factor on the tempo, 1 for the usual one.
        variety: factor on how far every angle is from the action's own, 1 for the usual one.

    Raises:
        ValueError: for an unknown action.
    """
    if action not in ACTIONS:
        raise ValueError(f"unknown action {action!r}, expected one of {', '.join(ACTIONS)}")
    curve, turns = ACTIONS[action]
    time = np.arange(len(yaw)) / FRAMES_PER_SECOND
    tempo = turns * pace * rng.uniform(0.85, 1.1)
    theta = 2 * np.pi * tempo * time + rng.uniform(0, 4 * np.pi)
    angles = {
        name: np.broadcast_to(values, (*values.shape[:-1], len(yaw))).copy()
        for name, values in curve(theta, rng.uniform(0.8, 1.2, 8)).items()
    }
    _sway(angles, time, rng, variety)
    return _pose(body, angles, yaw, anchored=action not in ("walk", "run"))


def _sway(angles: Angles, time: np.ndarray, rng: np.random.Generator, variety: float) -> None:
    """Add slow small harmonics to every angle, so that no two people move alike."""
    for name, values in angles.items():
        if name == "bounce":
            continue
        shape = (*values.shape[:-1], 1)
        size = rng.normal(0, 0.06 * variety, shape)
        rate, phase = rng.uniform(0.2, 0.9, shape), rng.uniform(0, 2 * np.pi, shape)
        offset = rng.normal(0, 0.05 * variety, shape)
        values += offset + size * np.sin(2 * np.pi * rate * time + phase)
    np.maximum(angles["knee"], 0.02, out=angles["knee"])
    np.maximum(angles["elbow"], 0.02, out=angles["elbow"])
    np.maximum(angles["arm_out"], 0.05, out=angles["arm_out"])
    angles["head_yaw"] += rng.normal(0, 0.25 * variety)


def rotation(axis: int, angle: np.ndarray | float) -> np.ndarray:
    """Return (N, 3, 3) right-handed rotations about axis 0 (x), 1 (y) or 2 (z)."""
    angle = np.atleast_1d(np.asarray(angle, dtype=np.float64))
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrices = np.tile(np.eye(3), (len(angle), 1, 1))
    matrices[:, i, i] = matrices[:, j, j] = np.cos(angle)
    matrices[:, j, i], matrices[:, i, j] = np.sin(angle), -np.sin(angle)
    return matrices


def _pose(body: Body, angles: Angles, yaw: np.ndarray, anchored: bool) -> Motion:
    """Forward kinematics from the pelvis outwards, then put the lower foot on the ground."""
    h, place = body.height, {}
    facing = rotation(1, yaw)
    torso = facing @ rotation(1, angles["twist"]) @ rotation(2, angles["roll"])
    torso = torso @ rotation(0, angles["pitch"])
    pelvis = facing @ rotation(2, 0.5 * angles["roll"]) @ rotation(0, 0.4 * angles["pitch"])
    head = torso @ rotation(1, angles["head_yaw"]) @ rotation(2, angles["head_roll"])
    head = head @ rotation(0, angles["head_pitch"] - 0.6 * angles["pitch"])

    place["pelvis"] = np.zeros((len(yaw), 3))
    place["neck"] = torso @ (0.30 * h * UP)
    place["head_bottom"] = place["neck"] + torso @ (0.032 * h * UP) + head @ (0.012 * h * UP)
    size = 0.136 * h * body.head
    place["head"] = place["head_bottom"] + head @ (0.52 * size * UP + 0.1 * size * FORWARD)
    place["head_top"] = place["head"] + head @ (0.5 * size * UP)
    place["nose"] = place["head"] + head @ (-0.06 * size * UP + 0.46 * size * FORWARD)
    for side, (name, sign) in enumerate((("left", 1.0), ("right", -1.0))):
        limb = {key: value[side] for key, value in angles.items() if value.ndim == 2}
        _arm(place, name, sign, body, limb, torso)
        _leg(place, name, sign, body, limb, pelvis)

    points = np.stack([place[name] for name in POINTS], axis=1)
    feet = [i for i, name in enumerate(POINTS) if name.endswith(("heel", "toe"))]
    points[..., 1] += (angles["bounce"] - points[:, feet, 1].min(axis=1))[:, None]
    if anchored:
        ankles = [POINTS.index("left_ankle"), POINTS.index("right_ankle")]
        points[..., [0, 2]] -= points[:, ankles][..., [0, 2]].mean(axis=1, keepdims=True)
    return Motion(points, torso, head)


def _arm(
    place: Angles, side: str, sign: float, body: Body, limb: Angles, torso: np.ndarray
) -> None:
    h = body.height * body.arm
    upper = torso @ rotation(2, sign * limb["arm_out"]) @ rotation(0, -limb["arm"])
    upper = upper @ rotation(1, sign * limb["arm_turn"])
    lower = upper @ rotation(0, -limb["elbow"])
    shoulder = place["neck"] + torso @ (sign * body.shoulder * LEFT - 0.018 * body.height * UP)
    place[f"{side}_shoulder"] = shoulder
    place[f"{side}_elbow"] = shoulder - upper @ (0.172 * h * UP)
    place[f"{side}_wrist"] = place[f"{side}_elbow"] - lower @ (0.155 * h * UP)
    place[f"{side}_hand"] = place[f"{side}_wrist"] - lower @ (0.062 * h * UP)


def _leg(
    place: Angles, side: str, sign: float, body: Body, limb: Angles, pelvis: np.ndarray
) -> None:
    h = body.height * body.leg
    spread = pelvis @ rotation(2, sign * limb["leg_out"])
    lower = spread @ rotation(0, limb["knee"] - limb["leg"])
    # the ankle takes back about half of the shank's tilt, so that feet stay near the ground plane
    foot = spread @ rotation(1, 0.2 * sign) @ rotation(0, 0.45 * (limb["knee"] - limb["leg"]))
    hip = pelvis @ (sign * body.hip * LEFT)
    place[f"{side}_hip"] = hip
    place[f"{side}_knee"] = hip - spread @ rotation(0, -limb["leg"]) @ (0.243 * h * UP)
    ankle = place[f"{side}_knee"] - lower @ (0.238 * h * UP)
    place[f"{side}_ankle"] = ankle
    place[f"{side}_heel"] = ankle + foot @ (-0.035 * h * UP - 0.028 * h * FORWARD)
    place[f"{side}_toe"] = ankle + foot @ (-0.035 * h * UP + 0.105 * h * FORWARD)
