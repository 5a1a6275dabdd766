"""What rendered people do: the angles of a body over time (NumPy only).

An action changes the angles of somebody who stands, in place, by `theta`, its phase in each of N
frames, and by `style`, eight numbers from 0.8 to 1.2 that differ from person to person. Angles are
in radians, (N,) for the body and (2, N) for limbs, left and right; bends are positive forward (hip,
shoulder, elbow) or backward (knee).
"""

from collections.abc import Callable

import numpy as np

SIDES = np.array([[1.0], [-1.0]])
"""Opposite signs for left and right limbs, (2, 1)."""

Angles = dict[str, np.ndarray]
Action = Callable[[Angles, np.ndarray, np.ndarray], None]


def standing(frames: int) -> Angles:
    """Return the angles of somebody who stands relaxed in N frames."""
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


def _walk(angles: Angles, theta: np.ndarray, style: np.ndarray) -> None:
    phase = _both(theta)
    angles["leg"][:] = 0.08 + 0.4 * style[0] * np.sin(phase)
    # the knee bends early in the swing, while the thigh still comes forward
    angles["knee"][:] = 0.08 + 0.95 * style[1] * _bell(phase + 0.4)
    angles["arm"][:] = -0.45 * style[2] * np.sin(phase)
    angles["elbow"][:] = 0.35 * style[3] - 0.18 * np.sin(phase)
    angles["twist"][:] = 0.14 * style[4] * np.sin(theta)
    angles["roll"][:] = 0.04 * np.cos(theta)
    angles["pitch"][:] = 0.05 * style[5]


def _run(angles: Angles, theta: np.ndarray, style: np.ndarray) -> None:
    phase = _both(theta)
    angles["leg"][:] = 0.3 + 0.62 * style[0] * np.sin(phase)
    angles["knee"][:] = 0.3 + 1.35 * style[1] * _bell(phase + 0.6)
    angles["arm"][:] = -0.1 - 0.65 * style[2] * np.sin(phase)
    angles["elbow"][:] = 1.45 * style[3] - 0.25 * np.sin(phase)
    angles["twist"][:] = 0.2 * style[4] * np.sin(theta)
    angles["pitch"][:] = 0.2 * style[5]
    angles["bounce"][:] = 0.03 * (1 + np.cos(2 * theta))


def _wave(angles: Angles, theta: np.ndarray, style: np.ndarray) -> None:
    side = int(style[0] > 1)
    angles["arm_out"][side] = 1.5 * style[1] + 0.15 * np.sin(theta)
    angles["arm_turn"][side] = -np.pi / 2
    angles["elbow"][side] = 1.0 * style[2] + 0.45 * np.sin(theta)
    angles["arm"][1 - side] += 0.15 * np.sin(theta / 2)
    angles["elbow"][1 - side] = 0.3 * style[3] + (style[4] > 1.05) * 1.3
    angles["roll"][:] = 0.05 * np.sin(theta / 2)


def _squat(angles: Angles, theta: np.ndarray, style: np.ndarray) -> None:
    depth = (1 - np.cos(theta / 2)) / 2
    angles["leg"][:] = 1.5 * style[0] * depth
    angles["knee"][:] = 0.06 + 1.9 * style[0] * depth
    angles["leg_out"] += 0.25 * style[1] * depth
    angles["arm"][:] = 1.4 * style[2] * depth
    angles["elbow"] += 0.5 * (style[3] - 0.8) * depth
    angles["pitch"][:] = 0.55 * style[4] * depth
    angles["head_pitch"][:] = -0.3 * depth


def _dance(angles: Angles, theta: np.ndarray, style: np.ndarray) -> None:
    phase = _both(theta / 2)
    angles["arm_out"][:] = 0.9 * style[0] + 0.6 * style[1] * np.sin(phase)
    angles["arm"][:] = 0.5 * (style[2] - 0.8) + 0.5 * np.cos(phase + style[3])
    angles["arm_turn"][:] = -0.9 * style[4] + 0.7 * np.sin(phase * 2)
    angles["elbow"][:] = 1.1 * style[5] + 0.5 * np.sin(phase + 1)
    angles["leg"][:] = 0.15 + 0.25 * style[6] * np.sin(phase)
    angles["knee"][:] = 0.2 + 0.7 * _bell(phase)
    angles["leg_out"][:] = 0.12 + 0.1 * np.sin(phase)
    angles["roll"][:] = 0.14 * style[7] * np.sin(theta / 2)
    angles["twist"][:] = 0.3 * style[1] * np.sin(theta / 2 + 0.5)
    angles["head_roll"][:] = 0.15 * np.sin(theta / 2)


def _jumping_jack(angles: Angles, theta: np.ndarray, style: np.ndarray) -> None:
    spread = (1 - np.cos(theta / 2)) / 2
    angles["arm_out"][:] = 0.15 + 2.4 * style[0] * spread
    angles["leg_out"][:] = 0.04 + 0.42 * style[1] * spread
    angles["elbow"] += 0.3 * style[2] * spread
    angles["bounce"][:] = 0.05 * style[3] * np.sin(theta / 2) ** 2


def _box(angles: Angles, theta: np.ndarray, style: np.ndarray) -> None:
    punch = _bell(_both(theta / 1.5))
    angles["arm"][:] = 0.5 + 0.9 * style[0] * punch
    angles["elbow"][:] = 2.1 - 1.8 * punch
    angles["arm_out"] += 0.15 * style[1]
    angles["leg"][0], angles["leg"][1] = 0.4, -0.25 * style[2]
    angles["knee"][:] = 0.35 + 0.1 * np.sin(_both(theta))
    angles["twist"][:] = 0.35 * style[3] * np.sin(theta / 1.5)
    angles["pitch"][:] = 0.15


def _kick(angles: Angles, theta: np.ndarray, style: np.ndarray) -> None:
    side, swing = int(style[0] > 1), np.sin(theta / 2)
    angles["leg"][side] = 0.3 + 0.75 * style[1] * swing
    angles["knee"][side] = 0.25 + 0.8 * _bell(theta / 2 + 1.6)
    angles["arm"][1 - side] = 0.6 * style[2] * swing
    angles["arm"][side] = -0.5 * style[2] * swing
    angles["arm_out"] += 0.35 * style[3]
    angles["pitch"][:] = -0.12 * swing


def _talk(angles: Angles, theta: np.ndarray, style: np.ndarray) -> None:
    phase = _both(theta / 2)
    angles["arm"][:] = 0.35 * style[0] + 0.25 * np.sin(phase * style[1])
    angles["arm_out"] += 0.2 * (style[2] - 0.8) + 0.12 * np.sin(phase + 2)
    angles["elbow"][:] = 1.2 * style[3] + 0.35 * np.sin(phase + style[4] * 3)
    angles["arm_turn"][:] = 0.5 * (style[5] - 1) + 0.3 * np.cos(phase)
    angles["head_yaw"][:] = 0.4 * (style[6] - 1) + 0.25 * np.sin(theta / 3)
    angles["leg"][0] += 0.2 * (style[7] - 1)


def _reach(angles: Angles, theta: np.ndarray, style: np.ndarray) -> None:
    phase = _both(theta / 2)
    angles["arm"][:] = 1.6 * style[0] + 0.9 * style[1] * np.sin(phase)
    angles["elbow"][:] = 0.35 + 0.3 * np.cos(phase)
    angles["arm_out"] += 0.25 * style[2]
    angles["roll"][:] = 0.12 * np.sin(theta / 2)
    angles["head_pitch"][:] = -0.2


def _sit(angles: Angles, theta: np.ndarray, style: np.ndarray) -> None:
    phase = _both(theta / 4)
    angles["leg"][:] = 1.42 * style[0] + 0.5 * SIDES * (style[1] - 1)
    angles["knee"][:] = 1.35 * style[2] + 0.1 * np.sin(phase)
    angles["leg_out"] += 0.6 * (style[3] - 0.8)
    angles["pitch"][:] = 0.12 + 1.2 * (style[4] - 0.95) + 0.04 * np.sin(theta / 3)
    _place_arms(angles, style[5:], phase)
    angles["head_pitch"][:] = 1.2 * (style[4] - 0.9)


def _stand(angles: Angles, theta: np.ndarray, style: np.ndarray) -> None:
    phase = _both(theta / 4)
    angles["leg_out"] += 0.5 * (style[0] - 0.8)
    angles["leg"] += SIDES * (style[1] - 1)
    angles["knee"] += 0.6 * np.maximum(SIDES * (style[2] - 1), 0)
    angles["roll"][:] = 0.3 * (style[3] - 1) + 0.03 * np.sin(theta / 3)
    angles["pitch"][:] = max(1.5 * (style[4] - 1), -0.1)
    _place_arms(angles, style[5:], phase)


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


def _swing(angles: Angles, theta: np.ndarray, style: np.ndarray) -> None:
    """Both hands on a bat, a racket, a club or a pole."""
    turn = np.sin(theta / 2)
    lead = SIDES * (1 if style[0] > 1 else -1)
    angles["twist"][:] = 0.8 * style[1] * turn * lead[0, 0]
    angles["pitch"][:] = 0.3 * style[2] + 0.1 * turn
    height = 2.4 * (style[3] - 0.8)
    angles["arm"][:] = 0.8 + height + 0.35 * lead * turn
    angles["arm_turn"][:] = 0.5 * style[4] + 0.3 * lead * turn
    angles["elbow"][:] = 0.8 * style[5] - 0.45 * lead * turn
    angles["leg"][:] = 0.35 + 0.4 * lead * (style[6] - 0.6) + 0.1 * turn
    angles["knee"][:] = 0.55 * style[7] + 0.15 * lead * turn
    angles["leg_out"] += 0.28


def _crouch(angles: Angles, theta: np.ndarray, style: np.ndarray) -> None:
    """Low on a board or skis, or behind a catcher's mitt."""
    phase = _both(theta / 3)
    depth = 0.5 + 1.6 * (style[0] - 0.8)
    angles["leg"][:] = 1.25 * depth + 0.15 * np.sin(phase)
    angles["knee"][:] = 1.6 * depth + 0.15 * np.sin(phase + 1)
    angles["leg_out"] += 0.35 * style[1]
    angles["pitch"][:] = 0.45 * style[2] + 0.1 * np.sin(theta / 3)
    angles["arm"][:] = 0.5 * style[3] + 2.7 * SIDES * (style[4] - 1)
    angles["arm_out"][:] = 0.3 + 2.2 * (style[5] - 0.8) + 0.2 * np.sin(phase)
    angles["elbow"][:] = 0.7 * style[6] + 0.4 * np.cos(phase)
    angles["head_pitch"][:] = -0.3


def _lunge(angles: Angles, theta: np.ndarray, style: np.ndarray) -> None:
    """One foot far in front of the other."""
    phase = _both(theta / 3)
    lead = SIDES * (1 if style[0] > 1 else -1)
    angles["leg"][:] = 0.3 + 0.75 * style[1] * lead + 0.1 * np.sin(phase)
    angles["knee"][:] = 0.75 * style[2] + 0.35 * lead
    angles["pitch"][:] = 0.5 * (style[3] - 0.7) + 0.05 * np.sin(theta / 2)
    angles["arm"][:] = 0.4 - 0.9 * style[4] * lead + 0.3 * np.sin(phase)
    angles["arm_out"] += 1.2 * (style[5] - 0.8)
    angles["elbow"][:] = 1.1 * style[6] + 0.3 * np.sin(phase)


def _anyhow(angles: Angles, theta: np.ndarray, style: np.ndarray) -> None:
    """Arms and legs anywhere that joints let them go."""
    phase, share = _both(theta / 3), (style[:, None] - 0.8) / 0.4
    angles["arm"][:] = 3.0 * share[:2] - 0.6 + 0.1 * np.sin(phase)
    angles["arm_out"][:] = 0.05 + 1.2 * np.abs([[0], [1]] - share[2])
    angles["elbow"][:] = 2.4 * share[3:5] + 0.1 * np.cos(phase)
    angles["arm_turn"][:] = SIDES * (2.4 * share[5] - 1.2)
    angles["leg"][:] = 1.9 * share[6:8] ** 2 - 0.3 + 0.1 * np.sin(phase)
    angles["knee"][:] = 1.5 * np.abs(share[6:8] - share[:2]) + 0.1 * np.cos(phase)
    angles["leg_out"] += 0.4 * share[2] * share[5]


ACTIONS: dict[str, tuple[Action, float]] = {
    "walk": (_walk, 0.95), "run": (_run, 1.25), "wave": (_wave, 1.0), "squat": (_squat, 0.9),
    "dance": (_dance, 1.2), "jumping_jack": (_jumping_jack, 1.0), "box": (_box, 1.1),
    "kick": (_kick, 1.0), "talk": (_talk, 1.0), "reach": (_reach, 0.9), "sit": (_sit, 0.8),
    "stand": (_stand, 0.8), "swing": (_swing, 1.2), "crouch": (_crouch, 0.9),
    "lunge": (_lunge, 0.9), "anyhow": (_anyhow, 0.9),
}  # fmt: skip
"""What people do, with the turns of the phase per second."""
