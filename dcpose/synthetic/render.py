"""Draw a person as shaded, textured volumes, back to front (NumPy only).

Each part is painted per pixel from its distance to the limb's axis, which gives smooth edges and
a surface normal without supersampling. Image axes: x right, y down; depth is metres towards
the camera.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dcpose.synthetic.look import Look
from dcpose.synthetic.motion import POINTS, Body

SIDE_POINTS = ("shoulder", "elbow", "wrist", "hand", "hip", "knee", "ankle", "heel", "toe")

Paint = Callable[[], None]
"""A step that lays one part over the sprite."""

LIGHT = np.array([-0.42, -0.55, 0.72], dtype=np.float32)
"""Where the light comes from: x right, y down, towards the camera; unit length."""


@dataclass(eq=False)
class Sprite:
    """A picture with transparency at a place of the image.

    Attributes:
        x, y: image pixel of the top-left corner; may be negative.
        color: (h, w, 3) float32 RGB in [0, 255], premultiplied with alpha.
        alpha: (h, w) float32 in [0, 1].
    """

    x: int
    y: int
    color: np.ndarray
    alpha: np.ndarray

    @staticmethod
    def empty(x0: int, y0: int, x1: int, y1: int) -> "Sprite":
        """Return a transparent sprite that covers columns x0..x1-1 and rows y0..y1-1."""
        shape = (max(y1 - y0, 1), max(x1 - x0, 1))
        return Sprite(x0, y0, np.zeros((*shape, 3), np.float32), np.zeros(shape, np.float32))

    def coverage_at(self, points: np.ndarray) -> np.ndarray:
        """Alpha under (K, 2) image points, 0 outside the sprite."""
        columns, rows = np.floor(points - (self.x, self.y)).astype(np.int64).T
        height, width = self.alpha.shape
        inside = (columns >= 0) & (rows >= 0) & (columns < width) & (rows < height)
        values = self.alpha[rows.clip(0, height - 1), columns.clip(0, width - 1)]
        return np.where(inside, values, 0.0)


@dataclass(frozen=True, eq=False)
class Stance:
    """One person in one frame, projected.

    Attributes:
        points: (P, 2) image pixels, P as in `POINTS`.
        labels: the same where people label them.
        depth: (P,) metres towards the camera, relative to the person's place.
        torso: (3, 3) columns are the left, up, forward axes in camera axes (x right, y up, z near).
        head: (3, 3) the same for the head.
        scale: image pixels per metre.
        project: takes (K, 3) metres in the world to image pixels and nearness in pixels.
    """

    points: np.ndarray
    labels: np.ndarray
    depth: np.ndarray
    torso: np.ndarray
    head: np.ndarray
    scale: float
    project: Callable[[np.ndarray], np.ndarray]


def composite(frame: np.ndarray, sprite: Sprite) -> None:
    """Lay a sprite over an (H, W, 3) float32 frame, in place; what sticks out is cut off."""
    height, width = frame.shape[:2]
    x0, y0 = max(sprite.x, 0), max(sprite.y, 0)
    x1 = min(sprite.x + sprite.alpha.shape[1], width)
    y1 = min(sprite.y + sprite.alpha.shape[0], height)
    if x0 >= x1 or y0 >= y1:
        return
    part = np.s_[y0 - sprite.y : y1 - sprite.y, x0 - sprite.x : x1 - sprite.x]
    frame[y0:y1, x0:x1] *= 1 - sprite.alpha[part][..., None]
    frame[y0:y1, x0:x1] += sprite.color[part]


def draw_person(
    stance: Stance, body: Body, look: Look, image_wh: tuple[int, int], margin: int
) -> Sprite:
    """Paint a person into a sprite that reaches `margin` pixels beyond body and image."""
    reach = 0.1 * body.height * stance.scale + margin
    low = np.maximum(stance.points.min(axis=0) - reach, -2 * margin)
    high = np.minimum(stance.points.max(axis=0) + reach, np.array(image_wh) + 2 * margin)
    sprite = Sprite.empty(*np.floor(low).astype(int).tolist(), *np.ceil(high).astype(int).tolist())
    painter = _Painter(sprite, stance, body, look)
    for _, paint in sorted(painter.parts(), key=lambda part: part[0]):
        paint()
    return sprite


class _Painter:
    """Paints the parts of one person; lengths of parts are fractions of the body height."""

    def __init__(self, sprite: Sprite, stance: Stance, body: Body, look: Look) -> None:
        self.sprite, self.stance, self.look = sprite, stance, look
        self.unit = body.height * stance.scale  # pixels of one body height
        self.body = body
        self.at = {name: stance.points[i] for i, name in enumerate(POINTS)}
        self.near = dict(zip(POINTS, stance.depth.tolist(), strict=True))

    def parts(self) -> list[tuple[float, Paint]]:
        """Return (nearness, painting) of every part."""
        bulk = self.body.bulk
        wide = bulk * self.look.loose
        parts = [
            self._limb("neck", ("neck", "head_bottom"), (0.034, 0.028), -0.03),
            self._limb("pelvis", ("left_hip", "right_hip"), (0.062 * bulk**0.5,) * 2, -0.04),
            self._torso(),
            *self._head(),
        ]
        for side in ("left", "right"):
            shoulder, elbow, wrist, hand, hip, knee, ankle, heel, toe = (
                f"{side}_{name}" for name in SIDE_POINTS
            )
            parts += [
                self._limb("upper_arm", (shoulder, elbow), (0.031 * wide, 0.024 * wide), 0.03),
                self._limb("forearm", (elbow, wrist), (0.025 * wide, 0.016 * wide), 0.05),
                self._limb("hand", (wrist, hand), (0.016, 0.019), 0.055),
                self._limb("thigh", (hip, knee), (0.052 * bulk, 0.035 * wide), -0.08),
                self._limb("shank", (knee, ankle), (0.034 * wide, 0.02 * wide), -0.09),
                self._limb("foot", (heel, toe), (0.023, 0.017), -0.085),
            ]
        if self.look.skirt:
            parts.append(self._skirt())
        return parts

    def _skirt(self) -> tuple[float, Paint]:
        """A widening tube from the waist over both thighs."""
        knees = (self.at["left_knee"] + self.at["right_knee"]) / 2
        ankles = (self.at["left_ankle"] + self.at["right_ankle"]) / 2
        start, reach = self.at["pelvis"], self.look.skirt
        end = start + min(reach, 1.0) * (knees - start) + max(reach - 1, 0.0) * (ankles - knees)
        spread = 0.4 * float(np.linalg.norm(self.at["left_knee"] - self.at["right_knee"]))
        hem = max(0.075 * self.body.bulk * self.unit, min(reach, 1.0) * spread)
        self.at |= {"waist": start, "hem": end}
        near = max(self.near["left_knee"], self.near["right_knee"], self.near["pelvis"])
        self.near |= {"waist": near, "hem": near}
        radii = (0.085 * self.body.bulk, hem / self.unit)
        return self._limb("skirt", ("waist", "hem"), radii, 0.02)

    def _limb(
        self, tile: str, ends: tuple[str, str], radii: tuple[float, float], bias: float
    ) -> tuple[float, Paint]:
        """A tapered capsule between two points; `bias` moves it in the painting order."""
        start, end = self.at[ends[0]], self.at[ends[1]]
        near = (self.near[ends[0]] + self.near[ends[1]]) / 2
        bulge = 0.006 * self.body.bulk * self.unit if tile in ("shank", "forearm") else 0.0
        r0, r1 = (r * self.unit for r in radii)
        # a part that continues another one throws no shadow on it
        halo = 0.1 if tile in ("forearm", "hand", "shank", "foot", "pelvis") else 0.3
        texture = self.look.tiles["pelvis" if tile == "skirt" else tile]
        # what lies behind the body's middle gets less light
        light = 1.0 - 0.3 * float(np.clip(-near / (0.2 * self.body.height), 0, 1))

        def paint() -> None:
            field = _Field.around(self.sprite, start, end, 1.3 * max(r0, r1))
            along = field.along.clip(0, 1)
            radius = r0 + (r1 - r0) * along + 4 * bulge * along * (1 - along)
            distance = np.hypot(field.across, field.beyond)
            across = field.across / radius
            rows = (along * (texture.shape[0] - 1)).astype(np.intp)
            columns = (across.clip(-1, 1) * 0.5 + 0.5) * (texture.shape[1] - 1)
            color = texture[rows, columns.astype(np.intp)]
            field.paint(color, distance - radius, field.lambert(across), light, halo)

        return near + bias, paint

    def _torso(self) -> tuple[float, Paint]:
        """Chest and belly: a tube with the outline of a trunk, textured around the body."""
        left, up, forward = self.stance.torso.T
        shoulder = self.body.shoulder / self.body.height
        bulk = self.body.bulk * (0.6 + 0.4 * self.look.loose)
        knots = np.array([0.0, 0.12, 0.4, 0.72, 0.9, 1.0])
        wide = np.array(
            [0.098 * bulk, 0.096 * bulk, 0.08 * bulk, 0.92 * shoulder, shoulder + 0.014, 0.05]
        )
        deep = np.array([0.066, 0.07, 0.062, 0.068, 0.05, 0.032]) * bulk
        texture = self.look.tiles["torso"]
        start = self.at["pelvis"] - 0.02 * self.unit * (up[:2] * (1, -1))
        end = self.at["neck"]

        def paint() -> None:
            field = _Field.around(self.sprite, start, end, 0.15 * self.unit * max(bulk, 1))
            normal = np.array([field.normal[0], -field.normal[1], 0.0])
            radii = np.hypot(wide * (normal @ left), deep * (normal @ forward)) * self.unit
            radius = np.interp(field.along, knots, radii).astype(np.float32)
            across = field.across / radius
            side = across.clip(-1, 1)
            facing = np.sqrt(1 - side * side)
            azimuth = np.arctan2(
                side * (normal @ left) + facing * left[2],
                side * (normal @ forward) + facing * forward[2],
            )
            columns = (azimuth / (2 * np.pi) + 0.5) * (texture.shape[1] - 1)
            rows = (1 - field.along.clip(0, 1)) * (texture.shape[0] - 1)
            color = texture[rows.astype(np.intp), columns.astype(np.intp)]
            ends = np.where(field.beyond > 0, field.beyond, -1.0)
            outside = np.maximum(np.abs(field.across) - radius, ends)
            field.paint(color, outside, field.lambert(across), 1.0, 0.2)

        return (self.near["pelvis"] + self.near["neck"]) / 2, paint

    def _head(self) -> list[tuple[float, Paint]]:
        """Head, nose, ears and hanging hair."""
        left, up, forward = self.stance.head.T
        size = 0.136 * self.body.head * self.unit / 2  # half the height
        center, near = self.at["head"], self.near["head"] + 0.02
        ear = 0.72 * size * left[:2] * (1, -1)
        skin = self.look.skin

        def ball(spot: np.ndarray, radius: float, color: np.ndarray) -> Paint:
            return lambda: self._ball(spot, radius * size, color)

        parts: list[tuple[float, Paint]] = [
            (near, lambda: self._skull(center, size)),
            (near + 0.06 * forward[2], ball(self.at["nose"], 0.15, 0.95 * skin)),
            (near + 0.06 * left[2], ball(center + ear, 0.2, 0.85 * skin)),
            (near - 0.06 * left[2], ball(center - ear, 0.2, 0.85 * skin)),
        ]
        if self.look.long_hair:
            for drop in (0.1, 0.5, 0.9, 1.25):
                back = center - size * (0.45 * forward[:2] + drop * up[:2]) * (1, -1)
                parts.append((near - 0.1 * forward[2], ball(back, 0.55, self.look.hair)))
        return parts

    def _ball(self, center: np.ndarray, radius: float, color: np.ndarray) -> None:
        field = _Field.around(self.sprite, center, center + np.array([0.0, 0.01]), radius)
        x, y = -field.across, field.along * np.float32(0.01)
        distance = np.hypot(x, y)
        facing = np.sqrt((1 - (distance / radius) ** 2).clip(0, 1))
        lambert = (x * LIGHT[0] + y * LIGHT[1]) / radius + facing * LIGHT[2]
        field.paint(color, distance - radius, lambert, 1.0, 0.0)

    def _skull(self, center: np.ndarray, size: float) -> None:
        """An ellipsoid whose texture is looked up by direction in head axes."""
        left, up, forward = self.stance.head.T
        wide = size * float(np.hypot(0.74 * np.hypot(left[0], left[1]), 0.9 * forward[0]))
        axis = np.array([up[0], -up[1]])
        axis /= np.linalg.norm(axis) + 1e-6
        bottom, top = center - size * axis, center + size * axis
        field = _Field.around(self.sprite, bottom, top, size)
        x, y = field.across / wide, (field.along - 0.5) * 2
        squared = x * x + y * y
        radius = np.sqrt(squared)
        facing = np.sqrt((1 - squared).clip(0, 1))
        side = field.normal
        normal = np.stack(
            [x * side[0] + y * axis[0], -(x * side[1] + y * axis[1]), facing], axis=-1
        ).astype(np.float32)
        local = normal @ np.stack([left, up, forward], axis=1).astype(np.float32)
        texture = self.look.tiles["head"]
        azimuth = np.arctan2(local[..., 0], local[..., 2]) / (2 * np.pi)
        elevation = np.arcsin(local[..., 1].clip(-1, 1)) / np.pi
        rows = (0.5 - elevation) * (texture.shape[0] - 1)
        columns = (azimuth + 0.5) * (texture.shape[1] - 1)
        color = texture[rows.astype(np.intp), columns.clip(0, None).astype(np.intp)]
        lambert = normal @ (LIGHT * np.array([1, -1, 1], dtype=np.float32))
        field.paint(color, (radius - 1) * min(wide, size), lambert, 1.0, 0.3)


@dataclass(eq=False)
class _Field:
    """Coordinates of a patch of the sprite relative to an axis from a to b.

    Attributes:
        window: rows and columns of the patch.
        along: (h, w) position on the axis, 0 at a and 1 at b, unclipped.
        across: (h, w) signed distance from the axis, pixels.
        beyond: (h, w) distance past the axis' ends along it, pixels, 0 between them.
        normal: (2,) direction of positive `across`, image axes.
    """

    sprite: Sprite
    window: tuple[slice, slice]
    along: np.ndarray
    across: np.ndarray
    beyond: np.ndarray
    normal: np.ndarray

    @staticmethod
    def around(sprite: Sprite, a: np.ndarray, b: np.ndarray, radius: float) -> "_Field":
        origin = (sprite.x, sprite.y)
        a, b = np.asarray(a) - origin, np.asarray(b) - origin
        low = np.floor(np.minimum(a, b) - radius - 3).astype(int).clip(0)
        high = np.ceil(np.maximum(a, b) + radius + 3).astype(int).clip(0)
        window = np.s_[low[1] : high[1], low[0] : high[0]]
        height, width = sprite.alpha[window].shape
        # pixel centres lie at half coordinates
        x = np.arange(low[0], low[0] + width, dtype=np.float32) + np.float32(0.5 - a[0])
        y = np.arange(low[1], low[1] + height, dtype=np.float32) + np.float32(0.5 - a[1])
        length = max(float(np.hypot(*(b - a))), 1e-3)
        axis = ((b - a) / length).astype(np.float32)
        along = x[None] * axis[0] + y[:, None] * axis[1]
        across = y[:, None] * axis[0] - x[None] * axis[1]
        beyond = np.maximum(np.maximum(-along, along - np.float32(length)), 0)
        normal = np.array([-axis[1], axis[0]], dtype=np.float32)
        return _Field(sprite, window, along / np.float32(length), across, beyond, normal)

    def lambert(self, across: np.ndarray) -> np.ndarray:
        """Light on a tube, from the position across it (-1 to 1)."""
        side = across.clip(-1, 1)
        slope = np.float32(self.normal @ LIGHT[:2])
        return side * slope + np.sqrt(1 - side * side) * LIGHT[2]

    def paint(
        self, color: np.ndarray, outside: np.ndarray, lambert: np.ndarray, light: float, halo: float
    ) -> None:
        """Lay the part over what is there, with a soft contact shadow around it.

        Args:
            color: (h, w, 3) RGB of the surface, or one that broadcasts to it.
            outside: (h, w) distance from the part's outline in pixels, negative inside.
            lambert: (h, w) cosine between surface and light.
            light: factor on the brightness.
            halo: strength of the shadow, 0 to 1.
        """
        cover = (0.5 - outside).clip(0, 1)
        shade = ((0.5 + 0.62 * lambert.clip(0)) * light)[..., None]
        keep = (1 - cover)[..., None]
        target, alpha = self.sprite.color[self.window], self.sprite.alpha[self.window]
        target *= keep * (1 - halo * (1 - outside / 3).clip(0, 1)[..., None])
        target += np.minimum(color * shade, 255) * cover[..., None]
        alpha *= keep[..., 0]
        alpha += cover
