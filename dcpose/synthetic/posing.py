"""A body of a wardrobe stands like the points of a motion: bones from points, points from bones.

Each limb points where the motion's limb points, turned about itself so that knees and elbows bend
to their own side; the spine shares the turn between pelvis and chest. World axes as in `motion`,
rest axes and shape legend as in `wardrobe`; at yaw 0 both are the same.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from dcpose.synthetic.motion import POINTS, unit
from dcpose.synthetic.wardrobe import Bones

SPINE = ("spine05", "spine04", "spine03", "spine02", "spine01")
NECK = ("neck01", "neck02", "neck03")
FORWARD, BACKWARD = np.array([0.0, 0.0, 1.0]), np.array([0.0, 0.0, -1.0])
STRAIGHT = 0.15
"""A limb whose lower part leaves the line of the upper one by a smaller share does not bend."""
FOOT = {"heel": np.array([0.0, -0.04, -0.03]), "toe": np.array([0.0, -0.04, 0.1])}
"""From the ankle, as shares of the body's height."""

Hands = dict[str, tuple[float, float]]
"""By "L" and "R": how far a hand turns about its forearm, and each joint of its fingers bends."""


@dataclass(frozen=True, eq=False)
class Skeleton:
    """The bones of one body at rest.

    Attributes:
        bones: which there are.
        heads, tails: (B, 3) their joints and ends.
        crown, nose: (3,) top of the head and tip of the nose.
        height: of the body, decimetres.
    """

    bones: Bones
    heads: np.ndarray
    tails: np.ndarray
    crown: np.ndarray
    nose: np.ndarray
    height: float

    def between(self, first: str, second: str) -> np.ndarray:
        """Return the way from the joint of one bone to that of another, (3,)."""
        return self.heads[self.bones.at[second]] - self.heads[self.bones.at[first]]


@dataclass(frozen=True, eq=False)
class Pose:
    """Where the bones of a body are.

    Attributes:
        turns: (B, 3, 3) rotations from rest to world axes.
        places: (B, 3) joints, decimetres.
    """

    turns: np.ndarray
    places: np.ndarray

    def matrices(self, skeleton: Skeleton) -> np.ndarray:
        """Return what moves a point of each bone from rest to the world, (B, 3, 4)."""
        shifts = self.places - np.einsum("bij,bj->bi", self.turns, skeleton.heads)
        return np.concatenate([self.turns, shifts[..., None]], axis=2)


def stand(
    skeleton: Skeleton, points: np.ndarray, torso: np.ndarray, head: np.ndarray, hands: Hands
) -> Pose:
    """Turn the bones of a body as one frame of a motion asks for; the pelvis stays in its place.

    Args:
        skeleton: whose.
        points: (P, 3) as in `POINTS`, of which directions count.
        torso: (3, 3) its left, up and forward axes as columns.
        head: the same of the head.
        hands: what the motion does not tell.
    """
    at = {name: points[i] for i, name in enumerate(POINTS)}
    pelvis = _axes(up=torso[:, 1], left=at["left_hip"] - at["right_hip"])
    turns = {"root": pelvis, "head": head}
    turns |= {name: _between(pelvis, torso, (i + 0.5) / 5) for i, name in enumerate(SPINE)}
    turns |= {name: _between(torso, head, (i + 1) / 4) for i, name in enumerate(NECK)}
    for side, mark in (("left", "L"), ("right", "R")):
        turns[f"pelvis.{mark}"] = pelvis
        turns |= _leg(skeleton, at, side, pelvis)
        turns |= _arm(skeleton, at, side, torso, hands[mark])
    bones = skeleton.bones
    pose = Pose(np.empty((len(bones.at), 3, 3)), np.empty((len(bones.at), 3)))
    for (name, i), parent in zip(bones.at.items(), bones.parents, strict=True):
        pose.turns[i] = turns[name] if name in turns else pose.turns[parent]
        way = skeleton.heads[i] - skeleton.heads[parent]
        pose.places[i] = (
            skeleton.heads[i] if parent < 0 else pose.places[parent] + pose.turns[parent] @ way
        )
    return pose


def points_of(skeleton: Skeleton, pose: Pose) -> np.ndarray:
    """Return the points of a motion where the bones of a body have them, (P, 3) decimetres."""
    at, matrices = skeleton.bones.at, pose.matrices(skeleton)

    def joint(bone: str) -> np.ndarray:
        return pose.places[at[bone]]

    def moved(bone: str, point: np.ndarray) -> np.ndarray:
        return matrices[at[bone], :, :3] @ point + matrices[at[bone], :, 3]

    place = {"neck": joint("neck01"), "head_bottom": joint("neck02")}
    place |= {"head_top": moved("head", skeleton.crown), "nose": moved("head", skeleton.nose)}
    place["head"] = (place["head_top"] + joint("head")) / 2
    for side, mark in (("left", "L"), ("right", "R")):
        place[f"{side}_shoulder"] = joint(f"upperarm01.{mark}")
        place[f"{side}_elbow"] = joint(f"lowerarm01.{mark}")
        place[f"{side}_wrist"] = joint(f"wrist.{mark}")
        knuckle = skeleton.tails[at[f"finger3-1.{mark}"]]
        place[f"{side}_hand"] = moved(f"wrist.{mark}", knuckle)
        place[f"{side}_hip"] = joint(f"upperleg01.{mark}")
        place[f"{side}_knee"] = joint(f"lowerleg01.{mark}")
        ankle = skeleton.heads[at[f"foot.{mark}"]]
        place[f"{side}_ankle"] = joint(f"foot.{mark}")
        for name, way in FOOT.items():
            place[f"{side}_{name}"] = moved(f"foot.{mark}", ankle + skeleton.height * way)
    place["pelvis"] = (place["left_hip"] + place["right_hip"]) / 2
    return np.stack([place[name] for name in POINTS])


Turns = dict[str, np.ndarray]


def _arm(
    skeleton: Skeleton, at: Turns, side: str, torso: np.ndarray, hand: tuple[float, float]
) -> Turns:
    mark = side[0].upper()
    upper = at[f"{side}_elbow"] - at[f"{side}_shoulder"]
    lower = at[f"{side}_wrist"] - at[f"{side}_elbow"]
    # the shoulder follows a raised arm a little
    raised = max(float(unit(upper) @ torso[:, 1]), -0.3) + 0.3
    shoulder = _about(torso[:, 2], (0.25 if side == "left" else -0.25) * raised) @ torso
    rest_upper = skeleton.between(f"upperarm01.{mark}", f"lowerarm01.{mark}")
    rest_lower = skeleton.between(f"lowerarm01.{mark}", f"wrist.{mark}")
    arm = _hinge(shoulder, rest_upper, FORWARD, upper, lower)
    forearm = _shortest(arm @ rest_lower, lower) @ arm
    twist, bend = hand
    wrist = _about(lower, twist) @ forearm
    turns = {f"{name}.{mark}": shoulder for name in ("clavicle", "shoulder01")}
    turns |= {f"{name}.{mark}": arm for name in ("upperarm01", "upperarm02")}
    turns |= {f"lowerarm01.{mark}": forearm, f"wrist.{mark}": wrist}
    turns[f"lowerarm02.{mark}"] = _about(lower, twist / 2) @ forearm
    return turns | _fingers(skeleton, mark, wrist, bend)


def _fingers(skeleton: Skeleton, mark: str, wrist: np.ndarray, bend: float) -> Turns:
    at, turns = skeleton.bones.at, {}
    across = skeleton.between(f"finger5-1.{mark}", f"finger2-1.{mark}")
    thumb = skeleton.tails[at[f"finger1-3.{mark}"]] - skeleton.heads[at[f"finger2-1.{mark}"]]
    for finger in range(2, 6):
        tip = skeleton.tails[at[f"finger{finger}-3.{mark}"]]
        along = unit(tip - skeleton.heads[at[f"finger{finger}-1.{mark}"]])
        sideways = unit(_across(across, along))
        palm = _across(_across(thumb, along), sideways)  # the thumb's tip lies below the palm
        for joint in range(1, 4):
            turn = _about(np.cross(along, palm), bend * joint)
            turns[f"finger{finger}-{joint}.{mark}"] = wrist @ turn
    return turns


def _leg(skeleton: Skeleton, at: Turns, side: str, pelvis: np.ndarray) -> Turns:
    mark = side[0].upper()
    upper = at[f"{side}_knee"] - at[f"{side}_hip"]
    lower = at[f"{side}_ankle"] - at[f"{side}_knee"]
    rest_upper = skeleton.between(f"upperleg01.{mark}", f"lowerleg01.{mark}")
    rest_lower = skeleton.between(f"lowerleg01.{mark}", f"foot.{mark}")
    thigh = _hinge(pelvis, rest_upper, BACKWARD, upper, lower)
    shank = _shortest(thigh @ rest_lower, lower) @ thigh
    forward = at[f"{side}_toe"] - at[f"{side}_heel"]
    turns = {f"{name}.{mark}": thigh for name in ("upperleg01", "upperleg02")}
    turns |= {f"{name}.{mark}": shank for name in ("lowerleg01", "lowerleg02")}
    turns[f"foot.{mark}"] = _axes(up=-lower, forward=forward)
    return turns


def _across(way: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """Return the part of a way that is perpendicular to an axis of length 1."""
    return way - (way @ axis) * axis


def _axes(
    up: np.ndarray, left: np.ndarray | None = None, forward: np.ndarray | None = None
) -> np.ndarray:
    """Return left, up and forward axes as columns: one of left and forward as given, up near it."""
    kept = unit(left if left is not None else forward)  # type: ignore[arg-type]
    up = unit(_across(up, kept))
    if left is not None:
        return np.stack([kept, up, np.cross(kept, up)], axis=1)
    return np.stack([np.cross(up, kept), up, kept], axis=1)


def _about(axis: np.ndarray, angle: float) -> np.ndarray:
    """Return the rotation about an axis by an angle, radians."""
    return cv2.Rodrigues(unit(axis) * angle)[0]


def _shortest(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return the smallest rotation that takes one direction to another."""
    start, end = unit(start), unit(end)
    axis = np.cross(start, end)
    return _about(axis, np.arctan2(np.linalg.norm(axis), start @ end))


def _between(first: np.ndarray, second: np.ndarray, share: float) -> np.ndarray:
    """Return the rotation at a share of the way from one to another."""
    return cv2.Rodrigues(share * cv2.Rodrigues(second @ first.T)[0])[0] @ first


def _hinge(
    parent: np.ndarray, rest: np.ndarray, side: np.ndarray, upper: np.ndarray, lower: np.ndarray
) -> np.ndarray:
    """Turn the upper part of a limb to `upper`, and about itself until `side` is where it bends to.

    Args:
        parent: (3, 3) rotation of the bone before it.
        rest: (3,) where the limb points at rest.
        side: (3,) where its lower part bends to at rest.
        upper: (3,) where its upper part points in the world.
        lower: (3,) where its lower part points.
    """
    turn = _shortest(parent @ rest, upper) @ parent
    axis = unit(upper)
    bend = _across(unit(lower), axis)
    certain = float(np.clip((np.linalg.norm(bend) - STRAIGHT) / 0.2, 0, 1))
    now = _across(turn @ side, axis)
    angle = np.arctan2(np.cross(now, bend) @ axis, now @ bend)
    return _about(axis, certain * angle) @ turn
