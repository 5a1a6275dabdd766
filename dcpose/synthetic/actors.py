"""The people of a rendered video and their places (NumPy only)."""

from dataclasses import dataclass

import numpy as np

from dcpose.synthetic.look import Look, draw_look
from dcpose.synthetic.motion import FRAMES_PER_SECOND, Body, Motion, animate, draw_body
from dcpose.synthetic.render import Stance
from dcpose.synthetic.setting import STREET, Setting


@dataclass(frozen=True, eq=False)
class Actor:
    """A person of a video and where it is.

    Attributes:
        body, look, motion: sizes, clothes, movement.
        action: what it does, a key of `ACTIONS`.
        feet: (N, 2) scene pixels of its place on the ground.
        scale: (N,) scene pixels per metre.
    """

    body: Body
    look: Look
    motion: Motion
    action: str
    feet: np.ndarray
    scale: np.ndarray

    def stance(self, frame: int, camera: np.ndarray, tilt: np.ndarray) -> Stance:
        """Project one frame; `tilt` is the (3, 3) rotation from world to camera axes."""
        zoom = float(np.hypot(camera[0, 0], camera[1, 0]))
        points = self.motion.points[frame] @ tilt.T
        scene = self.feet[frame] + self.scale[frame] * points[:, :2] * (1, -1)
        return Stance(
            scene @ camera[:, :2].T + camera[:, 2],
            points[:, 2],
            tilt @ self.motion.torso[frame],
            tilt @ self.motion.head[frame],
            float(self.scale[frame]) * zoom,
        )


def draw_actors(
    people: int,
    frames: int,
    image_wh: tuple[int, int],
    horizon: float,
    rng: np.random.Generator,
    setting: Setting = STREET,
) -> list[Actor]:
    """Draw people of different size and depth, spread over the image; some walk across others."""
    width, height = image_wh
    camera_height = rng.uniform(1.45, 1.75)
    focal = 1.2 * width
    slots = (rng.permutation(people) + 0.5 + rng.uniform(-0.3, 0.3, people)) / people
    time = (np.arange(frames) - (frames - 1) / 2) / FRAMES_PER_SECOND
    actors: list[Actor] = []
    for slot in slots:
        body = draw_body(rng, setting.height)
        look = draw_look(rng, setting.loose, setting.skirt)
        scale = height * rng.uniform(*setting.size) / body.height
        names, shares = zip(*setting.actions, strict=True)
        action = str(rng.choice(names, p=shares))
        yaw, speed = _heading(action, frames, setting.facing, rng)
        across = np.sin(yaw[0]) * speed * time
        toward = np.cos(yaw[0]) * speed * time
        scales = 1 / np.maximum(1 / scale - toward / focal, 0.4 / scale)
        x = width * slot + scales * across
        if speed and actors and rng.uniform() < 0.6:
            other = actors[rng.integers(len(actors))].feet[:, 0]
            if (x[-1] - x[0]) * (other[-1] - other[0]) <= 0:  # side by side is not a crossing
                x += other[frames // 2] - x[frames // 2]
        elif setting.together and actors and rng.uniform() < setting.together:
            other = actors[rng.integers(len(actors))].feet[:, 0]
            aside = rng.choice([-1, 1]) * rng.uniform(0.2, 0.6)
            x += other[frames // 2] + aside * scale - x[frames // 2]
        feet = np.stack([x, horizon + camera_height * scales], axis=-1)
        motion = animate(action, body, yaw, rng, variety=setting.variety)
        actors.append(Actor(body, look, motion, action, feet, scales))
    return actors


def _heading(
    action: str, frames: int, facing: float, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Draw the direction that a person faces, (N,) radians, and its speed, metres per second."""
    turn = np.arange(frames) / FRAMES_PER_SECOND
    if action in ("walk", "run"):
        yaw = rng.choice([-1, 1]) * (np.pi / 2 + rng.normal(0, 0.5))
        return np.full(frames, yaw), float(
            rng.uniform(0.9, 1.2) * (1.2 if action == "walk" else 2.2)
        )
    yaw = rng.normal(0, 1.0) if rng.uniform() < facing else rng.uniform(-np.pi, np.pi)
    spin = rng.normal(0, 1.2) if action == "dance" else rng.normal(0, 0.25)
    return yaw + spin * turn, 0.0
