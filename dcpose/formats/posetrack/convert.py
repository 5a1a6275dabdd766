"""Files of one video from the 2018 form of PoseTrack to the 2017 form, and back.

Annotations and predictions keep frames, people, tracks, the 15 evaluated joints, and what decides
about them (visibility, head boxes and ignore regions; joint scores), so AP does not change. What
the other form has no place for is left out and counted, field by field.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from dcpose.formats.fields import read_object
from dcpose.formats.posetrack.annolist import HEAD_KEYS, Annolist, read_annolist, scalar
from dcpose.formats.posetrack.folders import json_files
from dcpose.formats.posetrack.names import parse_frame_name
from dcpose.formats.posetrack.parse import joint_columns, read_images
from dcpose.formats.posetrack.predictions import parse_poses, write_json
from dcpose.formats.posetrack.video_poses import Complaint, Side
from dcpose.skeleton import POSETRACK, Skeleton

BOX_ENLARGE = 1.3
"""Person box of converted 2017 people: extent of the joints times this, as poseval's converter."""

_IMAGE_FIELDS = {"file_name", "is_labeled", "ignore_regions_x", "ignore_regions_y"}
_PERSON_FIELDS = {"image_id", "track_id", "category_id", "score", "scores", "keypoints"}
_FRAME_FIELDS = {"image", "imgnum", "is_labeled", "annorect", "ignore_regions"}
_RECT_FIELDS = {"track_id", "score", "annopoints", *HEAD_KEYS}

_HIDDEN = "hidden joint kept (training counts it in the 2017 form and not in the 2018 form)"

Form = Literal["posetrack18", "posetrack17"]

Omissions = Counter[str]
"""How often each kind of thing was left out, or changed because the form has no word for it."""


def to_posetrack17(
    content: dict[str, Any],
    path: Path,
    side: Side = "predictions",
    skeleton: Skeleton = POSETRACK,
) -> tuple[dict[str, Any], Omissions]:
    """Convert a 2018 file that `read_poses` accepts, or annotations that hold images only.

    Args:
        content: parsed 2018 file.
        path: the file, for messages.
        side: which kind of file it is.
        skeleton: point ids count its evaluation joints.

    Returns:
        object with `annolist`; image names unchanged, one entry per image, no filler people; and
        what was left out.
    """
    images = read_images(content["images"], Complaint(path), [])
    omissions = Omissions({"image of another video": len(content["images"]) - len(images)})
    people: dict[Any, list[dict[str, Any]]] = {image["id"]: [] for image in images}
    if content.get("annotations"):
        columns, _ = joint_columns(content, Complaint(path), skeleton)
        for annotation in content["annotations"]:
            if annotation["image_id"] not in people:
                omissions["person of an unknown image"] += 1
                continue
            person = _person17(annotation, columns, side, omissions)
            people[annotation["image_id"]].append(person)
    annolist = []
    for number, image in enumerate(images, start=1):
        frame = _frame17(image, number, side, omissions)
        annolist.append({**frame, "annorect": people[image["id"]]})
    return {"annolist": annolist}, +omissions


def _frame17(
    image: dict[str, Any], number: int, side: Side, omissions: Omissions
) -> dict[str, Any]:
    """Return a 2017 frame without its people."""
    try:  # made again from the file name on the way back
        name = parse_frame_name(image["file_name"])
        derived = {"id": name.image_id, "frame_id": name.image_id, "vid_id": f"{name.video:06d}"}
    except ValueError:  # an image of one's own
        derived = {}
    for key, value in image.items():
        if key not in _IMAGE_FIELDS and derived.get(key) != value:
            omissions[f"image field {key}"] += 1
    frame: dict[str, Any] = {"image": [{"name": image["file_name"]}], "imgnum": [number]}
    if side == "predictions":
        return frame
    if (labelled := scalar(image.get("is_labeled"))) is not None:
        frame["is_labeled"] = [int(bool(labelled))]
    all_x, all_y = image.get("ignore_regions_x", []), image.get("ignore_regions_y", [])
    regions = []
    omissions["ignore region without x or y"] += abs(len(all_x) - len(all_y))
    for xs, ys in zip(all_x, all_y, strict=False):
        omissions["corner of an ignore region without x or y"] += abs(len(xs) - len(ys))
        points = [{"x": [x], "y": [y]} for x, y in zip(xs, ys, strict=False)]
        regions.append({"point": points})
    return {**frame, "ignore_regions": regions} if regions else frame


def _person17(
    annotation: dict[str, Any], columns: np.ndarray, side: Side, omissions: Omissions
) -> dict[str, Any]:
    keypoints, scores = annotation["keypoints"], annotation.get("scores")
    known = _PERSON_FIELDS | {"bbox_head"} if side == "annotations" else _PERSON_FIELDS
    omissions.update(f"person field {key}" for key in annotation.keys() - known)
    unplaced = set(range(len(keypoints) // 3)) - set(columns.tolist())
    omissions["ear"] += sum(any(keypoints[3 * k : 3 * k + 3]) for k in unplaced)
    points = []
    for joint_id, column in enumerate(columns.tolist()):
        x, y, third = keypoints[3 * column : 3 * column + 3]
        if x == 0 and y == 0 and third == 0:
            continue
        point = {"id": [joint_id], "x": [x], "y": [y]}
        if side == "annotations":
            point["is_visible"] = [third]
            omissions[_HIDDEN] += third == 0
        elif scores:
            point["score"] = [scores[column]]
        if scores and side == "annotations":
            omissions["joint score"] += 1
        elif side == "predictions" and (not scores or third != scores[column]):
            omissions["third keypoint value that is not the joint's score"] += 1
        points.append(point)
    person: dict[str, Any] = {"track_id": [annotation["track_id"]]}
    if side == "predictions" or annotation.get("score") is not None:
        person["score"] = [annotation.get("score", 0)]
    if side == "annotations" and "bbox_head" in annotation:
        x, y, width, height = annotation["bbox_head"][:4]
        person |= {"x1": [x], "y1": [y], "x2": [x + width], "y2": [y + height]}
    return {**person, "annopoints": [{"point": points}]}


def to_posetrack18(
    content: dict[str, Any],
    path: Path,
    side: Side = "predictions",
    skeleton: Skeleton = POSETRACK,
) -> tuple[dict[str, Any], Omissions]:
    """Convert a 2017 file that `read_poses` accepts.

    Image ids come from the image names. The person box is the extent of the joints, enlarged.

    Args:
        content: parsed 2017 file.
        path: the file, for messages.
        side: which kind of file it is.
        skeleton: names the joints; point ids count its evaluation joints.

    Returns:
        object with `images`, `annotations`, `categories`; image names unchanged; and what was
        left out.

    Raises:
        ValueError: if an image name does not tell video and frame, or occurs twice.
    """
    lists = read_annolist(content, str(path), side, skeleton)
    form = lists.in_2018_form(skeleton)
    if side == "annotations":
        _add_frame_marks(form["images"], lists)
    omissions = Omissions(lists.oddities)
    for frame in lists.frames:
        omissions.update(f"frame field {key}" for key in frame.keys() - _FRAME_FIELDS)
        regions = frame.get("ignore_regions")
        if side == "predictions" and isinstance(regions, list):
            omissions["ignore region"] += len(regions)
    annotations: list[dict[str, Any]] = []
    for entry, rect, listed in zip(form["annotations"], lists.rects, lists.listed, strict=True):
        if side == "predictions" and not listed:
            omissions["person without a list of points"] += 1
            continue
        omissions.update(f"person field {key}" for key in rect.keys() - _RECT_FIELDS)
        if side == "annotations":
            _complete(entry, rect, listed, omissions)
        number = len(annotations) + 1
        annotations.append({**entry, "id": number, **_in_file_order(entry, side, skeleton)})
    category = {"id": 1, "name": "person", "keypoints": list(skeleton.joint_names)}
    form = {"images": form["images"], "annotations": annotations, "categories": [category]}
    return form, +omissions


def _add_frame_marks(images: list[dict[str, Any]], lists: Annolist) -> None:
    """Write what frames of annotations say beyond their names and ids into 2018 images."""
    names = [parse_frame_name(image["file_name"]) for image in images]
    # eight digits count from 1, six from 0
    places = [
        name.frame + (len(Path(image["file_name"]).stem) != 8)
        for image, name in zip(images, names, strict=True)
    ]
    num_frames = max(len(images), *places)
    regions = lists.ignore_regions()
    for image, name, frame, rings in zip(images, names, lists.frames, regions, strict=True):
        image |= {"vid_id": f"{name.video:06d}", "nframes": num_frames}
        if (labelled := scalar(frame.get("is_labeled"))) is not None:
            image["is_labeled"] = bool(labelled)
        if rings:
            image["ignore_regions_x"] = [[x for x, _ in ring] for ring in rings]
            image["ignore_regions_y"] = [[y for _, y in ring] for ring in rings]


def _complete(
    entry: dict[str, Any], rect: dict[str, Any], listed: bool, omissions: Omissions
) -> None:
    """Give an annotated person what the 2018 form asks for and the 2017 form does not."""
    triplets = np.array(entry["keypoints"], dtype=object).reshape(-1, 3)
    omissions[_HIDDEN] += sum(v == 0 and bool(x or y) for x, y, v in triplets)
    if "bbox_head" not in entry:
        omissions.update(f"person field {key}" for key in HEAD_KEYS if key in rect)
        if not listed:
            # the 2017 form does not evaluate this person, the 2018 form would miss its head box
            omissions["empty head box given to a person without points"] += 1
            entry["bbox_head"] = [0, 0, 0, 0]
    if scalar(entry.get("track_id")) is None:  # only people without a list of points may lack one
        omissions["track id -1 given to a person without one"] += 1
        entry["track_id"] = -1


def _in_file_order(entry: dict[str, Any], side: Side, skeleton: Skeleton) -> dict[str, Any]:
    """Return keypoints and scores of all joints of a skeleton, and the box around them."""
    columns = {name: k for k, name in enumerate(skeleton.evaluation_joints)}
    points = entry["keypoints"]
    keypoints: list[Any] = []
    scores: list[Any] = []
    for name in skeleton.joint_names:
        k = columns.get(name)
        keypoints += (0.0, 0.0, 0.0) if k is None else points[3 * k : 3 * k + 3]
        if side == "predictions":
            scores.append(0.0 if k is None else entry["scores"][k])
    box = _box_around(points)
    return {"category_id": 1, "bbox": box, "keypoints": keypoints, "scores": scores}


def _box_around(keypoints: list[Any]) -> list[float]:
    """Return left, top, width, height of the enlarged extent of the joints that are listed."""
    triplets = np.array(keypoints, dtype=np.float64).reshape(-1, 3)
    xy = triplets[triplets.any(axis=1), :2]
    if not len(xy):
        return [0.0, 0.0, 0.0, 0.0]
    low, high = xy.min(axis=0), xy.max(axis=0)
    with np.errstate(invalid="ignore"):  # infinite coordinates give a box of NaN
        size = BOX_ENLARGE * (high - low)
        return [*((low + high - size) / 2).tolist(), *size.tolist()]


def describe_omissions(omissions: Mapping[str, int]) -> str:
    """Return "left out or changed: 3 x ear, ...", or that nothing was."""
    parts = [f"{count} x {kind}" for kind, count in sorted(omissions.items()) if count]
    return f"left out or changed: {', '.join(parts)}" if parts else "nothing left out"


def convert_folder(
    source_dir: Path, out_dir: Path, form: Form, side: Side, skeleton: Skeleton = POSETRACK
) -> Omissions:
    """Write every `<video>.json` of a folder in one form, under the same name.

    Files that are in that form already are copied. Converting the same files again gives the
    same bytes.

    Args:
        source_dir: one file per video, each in either form.
        out_dir: folder to write to, made if missing; not `source_dir`.
        form: form of the written files.
        side: what the files are; annotations may hold images only, as those of the test split.
        skeleton: joints of the files.

    Returns:
        what was left out or changed, in all files together.

    Raises:
        ValueError: if the two folders are the same, there are no files, or one is malformed.
    """
    if out_dir.resolve() == source_dir.resolve():
        raise ValueError(f"{out_dir}: holds the {side} themselves, choose another folder")
    sources = json_files(source_dir)
    if not sources:
        raise ValueError(f"{source_dir}: holds no JSON files, nothing to convert")
    out_dir.mkdir(parents=True, exist_ok=True)
    omissions = Omissions()
    for source in sources:
        content, left_out = _converted(source, form, side, skeleton)
        omissions += left_out
        try:
            write_json(out_dir / source.name, content)
        except ValueError:
            raise ValueError(
                f"{source}: holds NaN or infinity, expected finite numbers; find the person with "
                "scripts/evaluate_ap.py"
            ) from None
    return omissions


def _converted(
    source: Path, form: Form, side: Side, skeleton: Skeleton
) -> tuple[dict[str, Any], Omissions]:
    content = read_object(source)
    if side == "annotations" and "images" in content and "annotations" not in content:
        read_images(content["images"], Complaint(source), [])
    else:
        parse_poses(content, source, side, skeleton)
    if form == "posetrack17" and "annolist" not in content:
        return to_posetrack17(content, source, side, skeleton)
    if form == "posetrack18" and "annolist" in content:
        return to_posetrack18(content, source, side, skeleton)
    return content, Omissions()
