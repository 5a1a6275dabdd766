"""A textured mesh as a picture with transparency, by casting rays (Embree, through embreex)."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from dcpose.synthetic.render import Sprite

LAYERS = 5
"""Rays go through so many transparent places, of hair and lace."""
OPAQUE = 100
"""Least alpha of a texture, of 255, that stops a ray."""
IN_SHADOW = 0.3
"""Share of the light that reaches what something else hides from it."""


@dataclass(frozen=True, eq=False)
class Light:
    """What lights a scene.

    Attributes:
        way: (3,) towards the light, of length 1: x right, y down, z towards the camera.
        ambient: share of the light that comes from everywhere, 0 to 1.
    """

    way: np.ndarray
    ambient: float


@dataclass(frozen=True, eq=False)
class Textured:
    """Faces with textures.

    Attributes:
        faces: (T, 3) vertices; uv: (T, 3, 2) places in the texture, 0 to 1, v up.
        owner: (T,) which texture a face has.
        textures: (h, w, 4) uint8 each, RGB and alpha.
    """

    faces: np.ndarray
    uv: np.ndarray
    owner: np.ndarray
    textures: tuple[np.ndarray, ...]


def cast(
    vertices: np.ndarray,
    mesh: Textured,
    window: tuple[int, int, int, int],
    light: Light,
    samples: int,
) -> Sprite:
    """Draw a mesh into a window of the image.

    Args:
        vertices: (V, 3) image pixels x and y, and nearness in pixels.
        mesh: what lies between them; both sides of a face are seen.
        window: first and end column and row: x0, y0, x1, y1.
        light: shades it.
        samples: rays along each side of a pixel.

    Raises:
        ImportError: without embreex.
    """
    x0, y0, x1, y1 = window
    scene = _scene(vertices, mesh.faces)
    normals = _normals(vertices, mesh.faces)
    rows, columns = (y1 - y0) * samples, (x1 - x0) * samples
    grid = np.empty((rows, columns, 3), np.float32)
    grid[..., 0] = x0 + (np.arange(columns) + 0.5) / samples
    grid[..., 1] = (y0 + (np.arange(rows) + 0.5) / samples)[:, None]
    grid[..., 2] = vertices[:, 2].max() + 1
    start = grid.reshape(-1, 3)
    color, alpha = np.zeros((len(start), 3), np.float32), np.zeros(len(start), np.float32)
    rays = np.arange(len(start))
    for _ in range(LAYERS):
        away = np.tile(np.array([0, 0, -1], np.float32), (len(rays), 1))
        hit = scene.run(start[rays], away, output=1)
        met = hit["primID"] >= 0
        rays, face = rays[met], hit["primID"][met]
        shares = np.stack([1 - hit["u"] - hit["v"], hit["u"], hit["v"]], axis=1)[met]
        texel = _texels(mesh, face, shares)
        start[rays, 2] -= hit["tfar"][met]
        solid = texel[:, 3] >= OPAQUE
        normal = np.einsum("tk,tkc->tc", shares[solid], normals[mesh.faces[face[solid]]])
        shade = _shade(scene, start[rays[solid]], normal, light)
        color[rays[solid]] = texel[solid, :3] * shade[:, None]
        alpha[rays[solid]] = 1
        rays = rays[~solid]
        start[rays, 2] -= 0.02  # a ray goes on behind what it has met
        if not len(rays):
            break
    sprite = Sprite.empty(x0, y0, x1, y1)
    blocks = (y1 - y0, samples, x1 - x0, samples)
    sprite.alpha[:] = alpha.reshape(blocks).mean(axis=(1, 3))
    sprite.color[:] = color.clip(0, 255).reshape(*blocks, 3).mean(axis=(1, 3))
    return sprite


def _scene(vertices: np.ndarray, faces: np.ndarray) -> Any:  # noqa: ANN401 - embreex has no types
    try:
        from embreex.mesh_construction import TriangleMesh
        from embreex.rtcore_scene import EmbreeScene
    except ImportError as error:
        raise ImportError(
            f"bodies of a wardrobe need embreex ({error}): pip install dcpose[packaged-model]"
        ) from error
    scene = EmbreeScene()
    TriangleMesh(scene, vertices.astype(np.float32), faces.astype(np.int32))
    return scene


def _normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Return the sum of the normals around each vertex, (V, 3), larger faces counting more."""
    first, second, third = (vertices[faces[:, k]] for k in range(3))
    normal = np.cross(second - first, third - first)
    return np.stack(
        [np.bincount(faces.ravel(), normal[:, k].repeat(3), len(vertices)) for k in range(3)],
        axis=1,
    )


def _texels(mesh: Textured, face: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return the textures' colours at places (K, 3 shares of the corners) of faces, (K, 4)."""
    place = np.einsum("tk,tkc->tc", shares, mesh.uv[face]) % 1
    owner, texel = mesh.owner[face], np.empty((len(face), 4), np.uint8)
    for i in np.unique(owner):
        own, texture = owner == i, mesh.textures[i]
        height, width = texture.shape[:2]
        column = np.minimum(place[own, 0] * width, width - 1).astype(np.int64)
        row = np.minimum((1 - place[own, 1]) * height, height - 1).astype(np.int64)
        texel[own] = texture[row, column]
    return texel


def _shade(scene: Any, spot: np.ndarray, normal: np.ndarray, light: Light) -> np.ndarray:  # noqa: ANN401
    """Return how bright places are, (K,): light from above and from the side, and shadows."""
    normal = normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    normal *= np.where(normal[:, 2:] < 0, -1, 1)  # the side that is seen
    lit = np.maximum(normal @ light.way, 0)
    facing = np.flatnonzero(lit > 0)
    if len(facing):
        out = (spot[facing] + 1.5 * normal[facing] + light.way).astype(np.float32)
        way = np.tile(light.way.astype(np.float32), (len(out), 1))
        hidden = scene.run(out, way, query="OCCLUDED") >= 0
        lit[facing[hidden]] *= IN_SHADOW
    above = 0.75 - 0.25 * normal[:, 1]
    return light.ambient * above + 1.25 * (1 - light.ambient) * lit
