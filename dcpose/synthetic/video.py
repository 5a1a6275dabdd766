"""One rendered video: its people, its frames and what is known about every person.

Shape legend: N frames, K people, J = 17 joints in the order of `POSETRACK`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from dcpose.skeleton import POSETRACK
from dcpose.synthetic import bursts
from dcpose.synthetic.actors import Actor, draw_actors
from dcpose.synthetic.look import draw_look
from dcpose.synthetic.motion import POINTS, Body, animate, draw_body, rotation
from dcpose.synthetic.render import Sprite, Stance, composite, draw_person
from dcpose.synthetic.scene import (
    MARGIN,
    Occluder,
    camera_path,
    cut_print,
    draw_background,
    draw_occluder,
    draw_seat,
    draw_table,
    photo_background,
    read_photo,
    read_prints,
    scatter_pieces,
)
from dcpose.synthetic.setting import STREET, Setting

LABELLED = [POSETRACK.joint_names.index(n) for n in POSETRACK.joint_names if n in POINTS]
LABELLED_POINTS = [POINTS.index(POSETRACK.joint_names[j]) for j in LABELLED]
LONG_HIDDEN = 6
"""Frames; joints that other people hide for longer are not labelled."""
PHOTO_SHARE = 0.65
"""Of the videos where there are pictures to stand behind the people."""


@dataclass(frozen=True, eq=False)
class Truth:
    """What is known about the people of a video.

    Attributes:
        joints: (K, N, J, 3) image pixels and visibility 0 or 1; hidden joints are 0, 0, 0.
        box_xywh: (K, N, 4) person boxes, clipped to the image.
        head_xywh: (K, N, 4) head boxes.
        conditions: (K, N, C) bool in the order of `CONDITIONS`.
        ignore: per frame a list of (M, 2) polygons, image pixels.
    """

    joints: np.ndarray
    box_xywh: np.ndarray
    head_xywh: np.ndarray
    conditions: np.ndarray
    ignore: list[list[np.ndarray]]


class Video:
    """A video whose content follows from the generator that it is given.

    Iterate once: it renders the frames in order, (H, W, 3) uint8 RGB; afterwards `truth` is
    complete.
    """

    def __init__(
        self,
        frames: int,
        image_wh: tuple[int, int],
        rng: np.random.Generator,
        setting: Setting = STREET,
    ) -> None:
        self.frames, self.image_wh, self._rng = frames, image_wh, rng
        width, height = image_wh
        self._horizon = height * rng.uniform(*setting.horizon)
        self._tilt = rotation(0, rng.uniform(*setting.pitch))[0]
        self._cameras = camera_path(frames, image_wh, rng)
        self._background = self._place(setting)
        self._crowd = self._add_crowd() if rng.uniform() < 0.3 else None
        people = 1 + int(rng.choice(len(setting.people), p=setting.people))
        self.actors = draw_actors(people, frames, image_wh, self._horizon, rng, setting)
        is_clear = setting.clear > 0 and rng.uniform() < setting.clear
        self._bursts = [] if is_clear else bursts.draw_bursts(frames, people, rng)
        self._occluders = [
            (burst, self._occluder(burst, person))
            for burst in self._bursts
            if burst.kind == "occluder"
            for person in np.flatnonzero(burst.targets).tolist()
        ]
        self._light = rng.uniform(0.8, 1.15) * rng.uniform(0.92, 1.08, 3).astype(np.float32)
        noise = rng.normal(0, rng.uniform(2, 6), (height + 64, width + 64, 1))
        self._noise = noise.astype(np.float32)
        self._stance_of = [
            [actor.stance(frame, self._cameras[frame], self._tilt) for actor in self.actors]
            for frame in range(frames)
        ]
        self._furniture = self._furnish(setting)
        self._hidden = np.zeros((3, people, frames, POSETRACK.num_joints), bool)
        self._smeared = np.zeros((people, frames, len(bursts.CONDITIONS)), bool)

    def _place(self, setting: Setting) -> np.ndarray:
        """Paint what is behind everybody, or take it from a picture."""
        if setting.photos and self._rng.uniform() < PHOTO_SHARE:
            photo = read_photo(setting.photos[self._rng.integers(len(setting.photos))])
            picture = photo_background(photo, self.image_wh, self._rng)
        else:
            picture = draw_background(self.image_wh, self._horizon, self._rng)
        if setting.photos and setting.pieces:
            count = int(self._rng.integers(setting.pieces + 1))
            scatter_pieces(picture, read_prints(setting.photos), count, self._rng)
        return picture

    def _furnish(self, setting: Setting) -> dict[int, tuple[Occluder | None, Occluder | None]]:
        """Draw for each person what it sits on, and what it is behind; both may be missing."""
        rng, furniture = self._rng, {}
        for person, actor in enumerate(self.actors):
            if not (setting.seat or setting.table):
                continue
            middle = self.frames // 2
            points = self._stance_of[middle][person].points
            inverse = cv2.invertAffineTransform(self._cameras[middle])
            pelvis = inverse[:, :2] @ points[POINTS.index("pelvis")] + inverse[:, 2]
            chest = inverse[:, :2] @ points[POINTS.index("neck")] + inverse[:, 2]
            size, still = float(actor.body.height * actor.scale[middle]), np.zeros(2)
            seat = table = None
            if actor.action == "sit" and rng.uniform() < setting.seat:
                seat = Occluder(draw_seat(size, rng), pelvis, still, 0)
            if rng.uniform() < setting.table:
                edge = pelvis + rng.uniform(-0.9, 0.5) * (chest - pelvis)
                aside = np.array([rng.normal(0, 0.3) * size, 0.0])
                table = Occluder(draw_table(self.image_wh, size, rng), edge + aside, still, 0)
            if setting.photos and setting.pieces:
                for thing in (seat, table):
                    if thing is not None and rng.uniform() < 0.5:
                        picture = thing.picture
                        part = cut_print(read_prints(setting.photos), picture.alpha.shape, rng)
                        picture.color[:] = part * picture.alpha[..., None]
            furniture[person] = (seat, table)
        return furniture

    def _add_crowd(self) -> np.ndarray:
        """Paint small far-away people into the background; return the (4, 2) region, scene."""
        rng, (width, height) = self._rng, self.image_wh
        count, size = int(rng.integers(4, 9)), height * rng.uniform(0.09, 0.16)
        left = rng.uniform(0, 0.7) * width
        origin = np.array([MARGIN * width, MARGIN * height])
        camera = np.column_stack([np.eye(2), np.round(origin)])
        picture = self._background
        feet_y = self._horizon + size * rng.uniform(0.7, 1.1)
        x = left + np.arange(count) * size * 0.38
        for i in range(count):
            body, yaw = draw_body(rng), np.full(1, rng.uniform(-np.pi, np.pi))
            motion = animate(str(rng.choice(["talk", "walk", "wave"])), body, yaw, rng)
            feet = np.array([[x[i], feet_y + rng.normal(0, 0.04) * size]])
            scale = np.array([size / body.height])
            actor = Actor(body, draw_look(rng), motion, "talk", feet, scale)
            stance = actor.stance(0, camera, self._tilt)
            wh = (picture.shape[1], picture.shape[0])
            composite(picture, draw_person(stance, body, actor.look, wh, 2))
        x0, x1 = x[0] - 0.35 * size, x[-1] + 0.35 * size
        y0, y1 = feet_y - 1.15 * size, feet_y + 0.15 * size
        return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])

    def _occluder(self, burst: bursts.Burst, person: int) -> Occluder:
        """A thing that crosses one person during the burst, and is in front of it in the middle."""
        rng, actor = self._rng, self.actors[person]
        middle = burst.first + (burst.length - 1) / 2
        frame = min(round(middle), self.frames - 1)
        size = float(actor.body.height * actor.scale[frame])
        kind = str(rng.choice(["pole", "board", "ball", "car"], p=[0.2, 0.35, 0.25, 0.2]))
        picture = draw_occluder(kind, size, rng)
        up = {"pole": 0.5, "car": 0.22}.get(kind, rng.uniform(0.2, 0.85)) * size
        aside = rng.normal(0, 0.05 if kind != "pole" else 0.09) * size
        # as fast as it takes to be past the person when the burst ends
        width = min(picture.alpha.shape[1], 0.8 * size) + 0.45 * size
        speed = rng.choice([-1.0, 1.0]) * width / burst.length
        velocity = np.array([speed, rng.uniform(-0.1, 0.1) * speed])
        if kind == "ball":
            velocity[1] = rng.uniform(-0.6, 0.6) * speed
        kernel = bursts.streak(0.25 * abs(speed), float(np.arctan2(*velocity[::-1])), rng)
        picture = bursts.smear(bursts.padded(picture, kernel.shape[0] // 2), kernel)
        return Occluder(picture, actor.feet[frame] + np.array([aside, -up]), velocity, middle)

    def __iter__(self) -> Iterator[np.ndarray]:
        """Render the frames."""
        for frame in range(self.frames):
            yield self._render(frame)

    def _render(self, frame: int) -> np.ndarray:
        width, height = self.image_wh
        camera = self._cameras[frame]
        shift = camera[:, :2] @ np.round([MARGIN * width, MARGIN * height])
        matrix = np.column_stack([camera[:, :2], camera[:, 2] - shift])
        picture = cv2.warpAffine(
            self._background, matrix, self.image_wh, borderMode=cv2.BORDER_REFLECT
        )
        burst = next((b for b in self._bursts if b.covers(frame)), None)
        order = np.argsort([actor.scale[frame] for actor in self.actors], kind="stable")
        for position, person in enumerate(order.tolist()):
            sprite = self._person(frame, person, burst)
            composite(picture, self._shadow(frame, person))
            seat, table = self._furniture.get(person, (None, None))
            if seat is not None:
                composite(picture, seat.at(frame, camera))
                self._note_hidden(2, frame, order[:position], seat.at(frame, camera))
            composite(picture, sprite)
            self._note_hidden(0, frame, order[:position], sprite)
            if table is not None:
                composite(picture, table.at(frame, camera))
                self._note_hidden(2, frame, order[: position + 1], table.at(frame, camera))
        for own_burst, occluder in self._occluders:
            if own_burst.first - 2 <= frame < own_burst.first + own_burst.length + 2:
                sprite = occluder.at(frame, camera)
                # on its way to and from its target it must not hide others
                if own_burst.covers(frame) or not self._hides(sprite, frame):
                    composite(picture, sprite)
                    self._note_hidden(1, frame, order, sprite)
        return self._expose(picture, frame, burst)

    def _person(self, frame: int, person: int, burst: bursts.Burst | None) -> Sprite:
        """Draw a person, smeared if the burst hits it."""
        actor, stance = self.actors[person], self._stance_of[frame][person]
        hit = burst is not None and burst.kind == "person_blur" and burst.targets[person]
        if not hit:
            return actor.draw(frame, stance, self.image_wh, 2)
        length = actor.body.height * stance.scale * self._rng.uniform(0.16, 0.3)
        kernel = bursts.streak(length, self._direction(frame, person), self._rng)
        margin = kernel.shape[0] // 2
        self._smeared[person, frame, 0] = True
        return bursts.smear(actor.draw(frame, stance, self.image_wh, margin), kernel)

    def _direction(self, frame: int, person: int) -> float:
        """Angle of a smear: along the person's own movement where there is one."""
        other = frame - 1 if frame else min(1, self.frames - 1)
        moved = self._stance_of[frame][person].points - self._stance_of[other][person].points
        # the fast limbs decide; the sign does not matter for a streak
        x, y = np.linalg.eigh(moved.T @ moved)[1][:, -1]
        own = float(np.arctan2(y, x)) + self._rng.normal(0, 0.4)
        anywhere = self._rng.uniform(0, np.pi)
        return own if self._rng.uniform() < 0.6 else float(anywhere)

    def _shadow(self, frame: int, person: int) -> Sprite:
        actor, camera = self.actors[person], self._cameras[frame]
        x, y = camera[:, :2] @ actor.feet[frame] + camera[:, 2]
        size = actor.body.height * self._stance_of[frame][person].scale
        wide, tall = max(int(0.22 * size), 2), max(int(0.07 * size), 2)
        u = np.linspace(-1, 1, 2 * wide, dtype=np.float32)[None]
        v = np.linspace(-1, 1, 2 * tall, dtype=np.float32)[:, None]
        sprite = Sprite.empty(int(x) - wide, int(y) - tall, int(x) + wide, int(y) + tall)
        sprite.alpha[:] = 0.5 * np.clip(1 - u * u - v * v, 0, 1)
        return sprite

    def _hides(self, sprite: Sprite, frame: int) -> bool:
        points = np.concatenate([s.labels[LABELLED_POINTS] for s in self._stance_of[frame]])
        return bool((sprite.coverage_at(points) > 0.2).any())

    def _note_hidden(self, by: int, frame: int, people: np.ndarray, sprite: Sprite) -> None:
        """Remember which joints of these people the sprite covers; by: 0 a person, 1 a thing.

        By 2: furniture, which stays where it is.
        """
        for person in people:
            points = self._stance_of[frame][person].labels[LABELLED_POINTS]
            self._hidden[by, person, frame, LABELLED] |= sprite.coverage_at(points) > 0.5

    def _expose(self, picture: np.ndarray, frame: int, burst: bursts.Burst | None) -> np.ndarray:
        """Blur of the whole camera, light and sensor noise."""
        width, height = self.image_wh
        rng, noise_gain = self._rng, 1.0
        if burst is not None and burst.kind == "camera_blur":
            length = rng.uniform(0.07, 0.13) * height
            kernel = bursts.streak(length, rng.uniform(0, np.pi), rng)
            picture = bursts.smear_frame(picture, kernel)
            self._smeared[:, frame, 0], noise_gain = True, 1.5
        elif burst is not None and burst.kind == "defocus":
            picture = bursts.smear_frame(picture, bursts.disk(rng.uniform(0.022, 0.04) * height))
            self._smeared[:, frame, 1], noise_gain = True, 1.5
        y, x = rng.integers(0, 64, 2)
        picture = picture * self._light + noise_gain * self._noise[y : y + height, x : x + width]
        return picture.clip(0, 255).astype(np.uint8)

    @property
    def truth(self) -> Truth:
        """Labels of all frames; call after the last frame."""
        people, size = len(self.actors), np.array(self.image_wh)
        joints = np.zeros((people, self.frames, POSETRACK.num_joints, 3))
        boxes, heads = np.zeros((2, people, self.frames, 4))
        for frame, stances in enumerate(self._stance_of):
            for person, stance in enumerate(stances):
                joints[person, frame, LABELLED, :2] = stance.labels[LABELLED_POINTS]
                behind = self._hidden[2, person, frame, LABELLED]
                boxes[person, frame] = self._box(stance, self.actors[person].body, behind)
                heads[person, frame] = _head_box(stance, self.actors[person].body)
        inside = ((joints[..., :2] >= 0) & (joints[..., :2] < size)).all(axis=-1)
        labelled = np.isin(np.arange(POSETRACK.num_joints), LABELLED)
        visible = inside & labelled & ~_long_runs(self._hidden[0], LONG_HIDDEN) & ~self._hidden[2]
        joints[..., 2] = 1
        joints *= visible[..., None]
        conditions = self._smeared.copy()
        for by, name in ((0, "crossing"), (1, "occlusion")):
            covered = (self._hidden[by] & visible).sum(axis=-1)
            conditions[..., bursts.CONDITIONS.index(name)] = covered > 1
        return Truth(joints, boxes, heads, conditions, self._ignore_regions())

    def _box(self, stance: Stance, body: Body, behind: np.ndarray) -> np.ndarray:
        """Extent of the body inside the image, with the margin of PoseTrack's boxes.

        Where furniture hides labelled joints, `behind`, it is the extent of the others.
        """
        around = 0.03 * body.height * stance.scale
        points = stance.points
        if behind.any() and not behind.all():
            points = stance.labels[LABELLED_POINTS][~behind]
        low, high = points.min(axis=0) - around, points.max(axis=0) + around
        extra = 0.07 * (high - low)
        low = np.clip(low - extra, 0, self.image_wh)
        high = np.clip(high + extra, 0, self.image_wh)
        return np.concatenate([low, high - low])

    def _ignore_regions(self) -> list[list[np.ndarray]]:
        if self._crowd is None:
            return [[] for _ in range(self.frames)]
        regions: list[list[np.ndarray]] = []
        limit = np.array(self.image_wh) - 1
        for camera in self._cameras:
            polygon = np.round(self._crowd @ camera[:, :2].T + camera[:, 2]).clip(0, limit)
            spread = np.ptp(polygon, axis=0)
            regions.append([polygon] if (spread > 2).all() else [])
        return regions


def _head_box(stance: Stance, body: Body) -> np.ndarray:
    """Box from the crown to the neck, as wide as the head."""
    size = 0.136 * body.head * body.height * stance.scale
    at = stance.points[[POINTS.index(n) for n in ("head", "head_top", "head_bottom")]]
    low = np.minimum(at.min(axis=0), at[0] - 0.42 * size)
    high = np.maximum(at.max(axis=0), at[0] + 0.42 * size)
    return np.concatenate([low, high - low])


def _long_runs(hidden: np.ndarray, longest: int) -> np.ndarray:
    """Mark the entries of (K, N, J) bool that lie in runs of more than `longest` frames."""
    frames = hidden.shape[1]
    window = longest + 1
    marked = np.zeros_like(hidden)
    for start in range(frames - window + 1):
        whole = hidden[:, start : start + window].all(axis=1, keepdims=True)
        marked[:, start : start + window] |= whole
    return marked
