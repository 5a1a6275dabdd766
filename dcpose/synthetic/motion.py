"""How rendered people are built and how they move (NumPy only).

Conventions of the rendered data:
    body axes   left, up, forward of the person, right-handed
    world axes  x to the right of the image, y up, z towards the camera, metres;
                at yaw 0 a person faces the camera, at yaw +90 degrees the right image border
    N           frames of a video; sides are stacked as (2, N): left, right
Angles are in radians, as in `actions`.
"""

from dataclasses import dataclass

import numpy as np

from dcpose.synthetic.actions import ACTIONS, Angles, standing

FRAMES_PER_SECOND = 25.0

POINTS = (
    "pelvis", "neck", "head_bottom", "head", "head_top", "nose",
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
    "left_hand", "right_hand", "left_hip", "right_hip", "left_knee", "right_knee",
    "left_ankle", "right_ankle", "left_heel", "right_heel", "left_toe", "right_toe",
)  # fmt: skip
"""Names of the points of a moving body; a superset of the labelled joints."""

LEFT, UP, FORWARD = np.eye(3)

SHOULDER_LIFT, HIP_SPREAD = 0.025, 0.012
"""From joints to where people label them, shares of the body's height: up, and outwards."""


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


def animate(
    action: str,
    body: Body,
    yaw: np.ndarray,
    rng: np.random.Generator,
    variety: float = 1.0,
) -> Motion:
    """Move a body through one action with a style of its own.

    Args:
        action: a key of `ACTIONS`.
        body: whose sizes.
        yaw: (N,) direction that the person faces in each frame.
        rng: draws phase, tempo and style.
        variety: factor on how far every angle is from the action's own, 1 for the usual one.

    Raises:
        ValueError: for an unknown action.
    """
    if action not in ACTIONS:
        raise ValueError(f"unknown action {action!r}, expected one of {', '.join(ACTIONS)}")
    act, turns = ACTIONS[action]
    time = np.arange(len(yaw)) / FRAMES_PER_SECOND
    tempo = turns * rng.uniform(0.85, 1.1)
    theta = 2 * np.pi * tempo * time + rng.uniform(0, 4 * np.pi)
    angles = standing(len(yaw))
    act(angles, theta, rng.uniform(0.8, 1.2, 8))
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


def as_labelled(points: np.ndarray, height: float) -> np.ndarray:
    """Return the points of a body with shoulders and hips where people label them.

    People label shoulders on top, not where the bone turns, and hips where the flesh is wider than
    the joints are apart; `docs/packaged_model.md` has the figures.

    Args:
        points: (P, 3) as in `POINTS`, any unit.
        height: of the body, the same unit.
    """
    at, moved = {name: points[i] for i, name in enumerate(POINTS)}, points.copy()
    lift = height * SHOULDER_LIFT * unit(at["neck"] - at["pelvis"])
    spread = height * HIP_SPREAD * unit(at["left_hip"] - at["right_hip"])
    for side, outwards in (("left", spread), ("right", -spread)):
        moved[POINTS.index(f"{side}_shoulder")] += lift
        moved[POINTS.index(f"{side}_hip")] += outwards
    return moved


def unit(way: np.ndarray) -> np.ndarray:
    """Return a way (3,) at length 1; a way of length 0 stays."""
    return way / max(float(np.linalg.norm(way)), 1e-9)


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
