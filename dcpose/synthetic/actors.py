"""The people of a rendered video and their places (NumPy only)."""

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from dcpose.synthetic.figure import MovingFigure, draw_figure
from dcpose.synthetic.look import Look, draw_look
from dcpose.synthetic.motion import FRAMES_PER_SECOND, Body, Motion, animate, as_labelled, draw_body
from dcpose.synthetic.raycast import Light
from dcpose.synthetic.render import Sprite, Stance, draw_person
from dcpose.synthetic.scene import read_prints
from dcpose.synthetic.setting import STREET, Setting
from dcpose.synthetic.wardrobe import Wardrobe

CLOSE = 0.7
"""Share of the image's height from which on a person is a close-up."""


@dataclass(frozen=True, eq=False)
class Actor:
    """A person of a video and where it is.

    Attributes:
        body, look, motion: sizes, clothes, movement.
        action: what it does, a key of `ACTIONS`.
        feet: (N, 2) scene pixels of its place on the ground.
        scale: (N,) scene pixels per metre.
        figure: its body of a wardrobe; without one it is painted.
        distance: of the camera, metres, which figures show by perspective.
    """

    body: Body
    look: Look
    motion: Motion
    action: str
    feet: np.ndarray
    scale: np.ndarray
    figure: MovingFigure | None = None
    distance: float = math.inf

    def stance(self, frame: int, camera: np.ndarray, tilt: np.ndarray) -> Stance:
        """Project one frame; `tilt` is the (3, 3) rotation from world to camera axes."""
        zoom = float(np.hypot(camera[0, 0], camera[1, 0]))
        scale = float(self.scale[frame]) * zoom

        def project(world: np.ndarray) -> np.ndarray:
            points = world @ tilt.T
            if self.figure is not None:
                middle = tilt @ (0, 0.5 * self.body.height, 0)
                near = 1 / (1 - np.minimum(points[:, 2:] / self.distance, 0.8))
                points[:, :2] = middle[:2] + near * (points[:, :2] - middle[:2])
            scene = self.feet[frame] + self.scale[frame] * points[:, :2] * (1, -1)
            return np.column_stack([scene @ camera[:, :2].T + camera[:, 2], points[:, 2] * scale])

        world = self.motion.points[frame]
        points = project(world)
        return Stance(
            points[:, :2],
            project(as_labelled(world, self.body.height))[:, :2],
            points[:, 2] / scale,
            tilt @ self.motion.torso[frame],
            tilt @ self.motion.head[frame],
            scale,
            project,
        )

    def draw(self, frame: int, stance: Stance, image_wh: tuple[int, int], margin: int) -> Sprite:
        """Return the sprite of a frame, which reaches `margin` pixels beyond body and image."""
        if self.figure is not None:
            return self.figure.draw(frame, stance.project, image_wh, margin)
        return draw_person(stance, self.body, self.look, image_wh, margin)


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
    light = _draw_light(rng) if setting.bodies is not None else None
    actors: list[Actor] = []
    for slot in slots:
        body = draw_body(rng, setting.height)
        look = draw_look(rng, setting.loose, setting.skirt)
        scale = height * rng.uniform(*setting.size) / body.height
        names, shares = zip(*setting.actions, strict=True)
        action = str(rng.choice(names, p=shares))
        yaw, speed = _heading(action, frames, setting, rng)
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
        actor = Actor(body, look, motion, action, feet, scales)
        if light is not None:
            actor = _dress(actor, setting, light, height, focal / scale, rng)
        actors.append(actor)
    return actors


def _dress(
    actor: Actor,
    setting: Setting,
    light: Light,
    image_height: int,
    distance: float,
    rng: np.random.Generator,
) -> Actor:
    """Give an actor a body of the wardrobe; a large one may have any part of it in the middle."""
    assert setting.bodies is not None  # noqa: S101
    wardrobe, prints = _open(setting.bodies), read_prints(setting.photos)
    size = actor.body.height * actor.scale[len(actor.scale) // 2]
    feet = actor.feet.copy()
    if size > CLOSE * image_height and rng.uniform() < 0.7:
        middle = image_height * rng.uniform(0.3, 0.7)
        feet[:, 1] += middle + rng.uniform(0.3, 0.95) * size - feet[len(feet) // 2, 1]
    figure = draw_figure(wardrobe, actor.body.height, rng, setting.hats, prints)
    moving = MovingFigure(figure, actor.motion, actor.body.height, light, rng)
    return replace(actor, motion=moving.motion, feet=feet, figure=moving, distance=distance)


def _draw_light(rng: np.random.Generator) -> Light:
    way = np.array([rng.normal(0, 0.7), -rng.uniform(0.2, 1.2), rng.uniform(0.3, 1.2)])
    return Light(way / np.linalg.norm(way), float(rng.uniform(0.45, 0.85)))


@lru_cache(maxsize=1)
def _open(bodies: Path) -> Wardrobe:
    return Wardrobe(bodies)


def _heading(
    action: str, frames: int, setting: Setting, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Draw the direction that a person faces, (N,) radians, and its speed, metres per second."""
    turn = np.arange(frames) / FRAMES_PER_SECOND
    if action in ("walk", "run"):
        yaw = rng.choice([-1, 1]) * (np.pi / 2 + rng.normal(0, 0.5))
        if setting.turned:
            yaw = rng.uniform(-np.pi, np.pi)
        speed = rng.uniform(0.9, 1.2) * (1.2 if action == "walk" else 2.2)
        return np.full(frames, yaw), float(speed)
    yaw = rng.normal(0, 1.0) if rng.uniform() < setting.facing else rng.uniform(-np.pi, np.pi)
    spin = rng.normal(0, 1.2) if action == "dance" else rng.normal(0, 0.25)
    return yaw + spin * turn, 0.0
