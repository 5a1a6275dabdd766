"""People with bodies of a wardrobe: drawn at random, moved like painted ones, cast as sprites.

Shape legend as in `wardrobe`; N frames of a motion.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dcpose.synthetic.motion import POINTS, Motion
from dcpose.synthetic.outfit import draw_outfit, recolor
from dcpose.synthetic.posing import Hands, Pose, Skeleton, points_of, stand
from dcpose.synthetic.raycast import Light, Textured, cast
from dcpose.synthetic.render import Sprite
from dcpose.synthetic.wardrobe import BODY_VERTICES, Mesh, Wardrobe, read_texture

GROWN = 1.4
"""Metres; who is smaller is a child."""
ADULT = 16.5
"""Decimetres, the height of a body that clothes are made for."""
CLOTH, SKIN = 256, 512
"""Sides of textures, pixels."""
SMALL = 60_000
"""Up to so many pixels a figure gets four rays a pixel, else one."""

_HIPS = [POINTS.index(f"{side}_hip") for side in ("left", "right")]
_FEET = [i for i, name in enumerate(POINTS) if name.endswith(("heel", "toe"))]


@dataclass(frozen=True, eq=False)
class Figure:
    """A dressed person at rest: skin, clothes and hair as one mesh.

    Attributes:
        vertices: (V, 3) decimetres; bones, weights: (V, 4), as of a `Mesh`.
        surface: what lies between the vertices.
        skeleton: what moves them.
    """

    vertices: np.ndarray
    bones: np.ndarray
    weights: np.ndarray
    surface: Textured
    skeleton: Skeleton

    def posed(self, pose: Pose) -> np.ndarray:
        """Return the vertices in the world, (V, 3) decimetres: linear blend skinning."""
        matrices = pose.matrices(self.skeleton).astype(np.float32)
        blended = np.einsum("vk,vkij->vij", self.weights, matrices[self.bones])
        return np.einsum("vij,vj->vi", blended[..., :3], self.vertices) + blended[..., 3]


def draw_figure(
    wardrobe: Wardrobe,
    height: float,
    rng: np.random.Generator,
    hats: float,
    prints: Sequence[np.ndarray] = (),
) -> Figure:
    """Draw body, clothes, hair and colours of a person.

    Args:
        wardrobe: has them.
        height: of the person, metres: small people are children.
        rng: draws everything.
        hats: share of the people who have one.
        prints: pictures for clothes, see `recolor`.
    """
    sex = str(rng.choice(["male", "female"]))
    age = "child" if height < GROWN else str(rng.choice(["young", "young", "old"]))
    race = str(rng.choice(["caucasian", "asian", "african"], p=[0.5, 0.25, 0.25]))
    base = wardrobe.vertices + _draw_shape(wardrobe, sex, age, race, rng)
    skeleton = _skeleton(wardrobe, base)
    parts, textures, covered = [], [], np.zeros(len(base), bool)
    for kind, name in draw_outfit(sex, rng, hats):
        garment = wardrobe.garment(kind, name)
        path = garment.textures[int(rng.integers(len(garment.textures)))]
        textures.append(recolor(read_texture(path, CLOTH), kind, rng, prints))
        parts.append((garment.on(base, skeleton.height / ADULT), garment.mesh))
        covered |= garment.hides
    body = wardrobe.body
    bare = ~covered[body.faces].all(axis=1)
    parts.append((base, replace(body, faces=body.faces[bare], uv=body.uv[bare])))
    textures.append(_draw_skin(wardrobe, age, race, sex, rng))
    return _join(parts, tuple(textures), skeleton)


def _draw_shape(
    wardrobe: Wardrobe, sex: str, age: str, race: str, rng: np.random.Generator
) -> np.ndarray:
    """Draw the differences of a body from the base mesh, (U, 3)."""
    kind = f"macrodetails/universal-{sex}-{age}"
    muscle, weight = rng.choice(["min", "average", "max"]), rng.choice(["min", "max"])
    share, tall = float(rng.uniform() ** 1.3), rng.choice(["min", "max"])
    average = "averagemuscle-averageweight"
    shape = wardrobe.shape(f"macrodetails/{race}-{sex}-{age}")
    shape += (1 - share) * wardrobe.shape(f"{kind}-{average}")
    shape += share * wardrobe.shape(f"{kind}-{muscle}muscle-{weight}weight")
    stretched = wardrobe.shape(f"macrodetails/height/{sex}-{age}-{average}-{tall}height")
    return shape + float(rng.uniform(0, 0.6)) * stretched


def _draw_skin(
    wardrobe: Wardrobe, age: str, race: str, sex: str, rng: np.random.Generator
) -> np.ndarray:
    grown = str(rng.choice(["young", "middleage"]))
    skins = wardrobe.skins({"child": "young", "old": "old"}.get(age, grown), race, sex)
    texture = read_texture(skins[int(rng.integers(len(skins)))], SKIN).copy()
    gain = rng.uniform(0.8, 1.15) * rng.uniform(0.94, 1.06, 3)
    texture[..., :3] = (texture[..., :3] * gain).clip(0, 255)
    texture[..., 3] = 255
    return texture


def _skeleton(wardrobe: Wardrobe, base: np.ndarray) -> Skeleton:
    bones, body = wardrobe.bones, base[:BODY_VERTICES]
    heads, tails = (
        np.stack([base[v].mean(axis=0) for v in ends]) for ends in (bones.heads, bones.tails)
    )
    head, height = heads[bones.at["head"]], float(np.ptp(body[:, 1]))
    crown = np.array([0, body[:, 1].max(), head[2]])
    # of the middle of the face, the nose sticks out farthest
    off = np.abs(body - head)
    face = body[(off[:, 0] < 0.02 * height) & (off[:, 1] < 0.025 * height)]
    return Skeleton(bones, heads, tails, crown, face[face[:, 2].argmax()], height)


def _join(
    parts: Sequence[tuple[np.ndarray, Mesh]],
    textures: tuple[np.ndarray, ...],
    skeleton: Skeleton,
) -> Figure:
    """Make one mesh of parts, without the vertices that none of their faces uses."""
    vertices, bones, weights, faces = [], [], [], []
    first = 0
    for at, mesh in parts:
        used, corners = np.unique(mesh.faces, return_inverse=True)
        vertices.append(at[used])
        bones.append(mesh.bones[used])
        weights.append(mesh.weights[used])
        faces.append(corners.reshape(-1, 3) + first)
        first += len(used)
    uv = np.concatenate([mesh.uv for _, mesh in parts])
    owner = np.repeat(np.arange(len(parts)), [len(part) for part in faces])
    surface = Textured(np.concatenate(faces), uv, owner, textures)
    return Figure(
        np.concatenate(vertices), np.concatenate(bones), np.concatenate(weights), surface, skeleton
    )


class MovingFigure:
    """A figure that moves like a body of `motion`.

    Args:
        figure: who.
        motion: directions of its limbs, and its place; N frames.
        height: metres.
        light: of the scene.
        rng: draws how it holds its hands.

    Attributes:
        motion: the same movement with the points where this figure has them.
    """

    def __init__(
        self, figure: Figure, motion: Motion, height: float, light: Light, rng: np.random.Generator
    ) -> None:
        self._surface, self._light = figure.surface, light
        unit = height / figure.skeleton.height
        hands: Hands = {side: (rng.uniform(-1, 1), rng.uniform(0.05, 0.6)) for side in "LR"}
        self._vertices = []  # of each frame, metres in the world
        points = np.empty_like(motion.points)
        frames = zip(motion.points, motion.torso, motion.head, strict=True)
        for n, (wanted, torso, head) in enumerate(frames):
            pose = stand(figure.skeleton, wanted, torso, head, hands)
            points[n] = unit * points_of(figure.skeleton, pose)
            vertices = unit * figure.posed(pose)
            move = (wanted[_HIPS] - points[n, _HIPS]).mean(axis=0)
            move[1] = wanted[_FEET, 1].min() - vertices[:, 1].min()
            points[n] += move
            self._vertices.append(vertices + move)
        self.motion = Motion(points, motion.torso, motion.head)

    def draw(
        self,
        frame: int,
        project: Callable[[np.ndarray], np.ndarray],
        image_wh: tuple[int, int],
        margin: int,
    ) -> Sprite:
        """Return a frame as a sprite that reaches `margin` pixels beyond figure and image.

        Args:
            frame: which.
            project: takes (K, 3) metres in the world to image pixels and nearness in pixels.
            image_wh: size of the image.
            margin: pixels.
        """
        vertices = project(self._vertices[frame])
        low = np.maximum(vertices[:, :2].min(axis=0) - 1 - margin, -2 * margin)
        high = np.minimum(vertices[:, :2].max(axis=0) + 1 + margin, np.array(image_wh) + 2 * margin)
        x0, y0 = np.floor(low).astype(int).tolist()
        x1, y1 = np.ceil(high).astype(int).tolist()
        if x0 >= x1 or y0 >= y1:
            return Sprite.empty(x0, y0, x1, y1)
        samples = 2 if (x1 - x0) * (y1 - y0) <= SMALL else 1
        return cast(vertices, self._surface, (x0, y0, x1, y1), self._light, samples)
