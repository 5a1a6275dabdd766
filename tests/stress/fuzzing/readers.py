"""Every reader of files, with small valid files to start from."""

import io
import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from safetensors.torch import save

from dcpose.check.annotations import inspect_file
from dcpose.check.detections import check_detections
from dcpose.config.loading import load_config
from dcpose.data.frame_file import inspect_frame
from dcpose.data.frames import read_frame
from dcpose.evaluation.coco_ap import evaluate_coco
from dcpose.evaluation.evaluator import evaluate_folders
from dcpose.files.yaml_text import parse_yaml
from dcpose.formats.coco import read_coco
from dcpose.formats.coco_results import coco_results
from dcpose.formats.detections import read_detections, rekey_detections
from dcpose.formats.fields import read_object
from dcpose.formats.partial_detections import PartialDetections
from dcpose.formats.posetrack.convert import convert_folder, to_posetrack17, to_posetrack18
from dcpose.formats.posetrack.leaderboard import check_submission
from dcpose.formats.posetrack.predictions import parse_poses, read_frame_names
from dcpose.formats.posetrack.records import read_annotations
from dcpose.formats.skeleton_yaml import read_skeleton
from dcpose.skeleton import COCO, POSETRACK
from dcpose.weights.reading import read_weights
from fuzzing.mutations import mutate_bytes, mutate_json
from fuzzing.videos import copy_video, image_seeds, video_seeds

VIDEO = "000342_mpii_test"
FIRST_ID = 10003420000


@dataclass(frozen=True)
class Reader:
    """A reader, and what to damage.

    Attributes:
        name: what `--readers` calls it.
        file: name of the file in a folder of its own.
        seeds: contents of valid files.
        read: reads the file at a path; the folder is its own.
        mutations: ways to damage; each is as likely.
        share: how many of a hundred cases are its.
    """

    name: str
    file: str
    seeds: tuple[bytes, ...]
    read: Callable[[Path], object]
    mutations: tuple[Callable[..., bytes], ...] = (mutate_bytes,)
    share: int = 5


def _person(frame: int, track_id: int) -> dict[str, Any]:
    joints = [[20.0 + track_id, 10.0 + 2 * j, 0 if "ear" in n else 1]
              for j, n in enumerate(POSETRACK.joint_names)]  # fmt: skip
    return {
        "image_id": FIRST_ID + frame, "id": 10 * frame + track_id, "track_id": track_id,
        "category_id": 1, "bbox": [15.0, 5.0, 20.0, 40.0], "bbox_head": [18.0, 5.0, 8.0, 9.0],
        "keypoints": [value for joint in joints for value in joint],
        "scores": [0.5] * 17, "score": 0.9,
    }  # fmt: skip


def annotations_2018() -> dict[str, Any]:
    """Return two frames of one video, two people in the first."""
    images = [
        {
            "id": FIRST_ID + n, "file_name": f"images/val/{VIDEO}/{n:06d}.jpg", "nframes": 2,
            "width": 64, "height": 48, "is_labeled": True, "vid_id": "000342",
            "ignore_regions_x": [[0, 9, 9]], "ignore_regions_y": [[0, 0, 9]],
        }
        for n in range(2)
    ]  # fmt: skip
    category = {"id": 1, "name": "person", "keypoints": list(POSETRACK.joint_names)}
    people = [_person(0, 0), _person(0, 1), _person(1, 0)]
    return {"images": images, "annotations": people, "categories": [category]}


def annotations_2017() -> dict[str, Any]:
    """Return the same in the form of 2017."""
    return to_posetrack17(annotations_2018(), Path("seed"), "annotations")[0]


def detections() -> list[dict[str, Any]]:
    """Return a box per frame, one known by id and one by name."""
    box = {"category_id": 1, "bbox": [15.0, 5.0, 20.0, 40.0], "score": 0.8}
    by_name = {"image_name": f"images/val/{VIDEO}/000001.jpg", **box}
    return [{"image_id": FIRST_ID, **box}, by_name]


CONFIGS = (
    """experiment: tiny
seed: 1
data: {root: data, crop_wh: [64, 64], sigma: 1e-1}
model: {backbone: {name: hrnet, width: 4}, pcn: {dilations: [1, 2]}}
""",
    """experiment: &e tiny
data: &d
  root: a b
  train_images: null
train:
  epochs: 2
  precision: fp32
optim: {lr: 1e-3, milestones: [2]}
""",
)
SKELETON = """name: s
joints: [a, b]
flip_pairs: [[a, b]]
limbs: [[a, b]]
upper_body: [a]
evaluation: {joints: [a, b], groups: {All: [a]}, aliases: {b: c}}
oks_sigmas: {a: 1, b: 0.1}
"""
PARTIAL = b"""{"detector": "x", "nms_iou": 0.5}
[1, []]
["a.jpg", [{"bbox": [1, 2, 3, 4]}]]
"""


def _json(*contents: object) -> tuple[bytes, ...]:
    return tuple(json.dumps(content).encode() for content in contents)


def _coco() -> dict[str, Any]:
    content = annotations_2018()
    people = [{**person, "iscrowd": 0, "area": 100.0} for person in content["annotations"]]
    return {**content, "annotations": people}


def _weights() -> tuple[bytes, bytes, bytes]:
    """Return the same weights in the zip, the old and the safetensors format."""
    state = {"stage2.a.weight": torch.arange(6.0).view(2, 3), "stage2.b.bias": torch.zeros(3)}
    content = {"state_dict": state, "epoch": 3, "meta": {"log": np.arange(3), "name": "x"}}
    files = []
    for zipped in (True, False):
        buffer = io.BytesIO()
        torch.save(content, buffer, _use_new_zipfile_serialization=zipped)
        files.append(buffer.getvalue())
    return files[0], files[1], save(state)


def _jpegs() -> tuple[bytes, ...]:
    frame = np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8)
    options: tuple[list[int], ...] = (
        [], [cv2.IMWRITE_JPEG_PROGRESSIVE, 1], [cv2.IMWRITE_JPEG_RST_INTERVAL, 2],
    )  # fmt: skip
    return tuple(cv2.imencode(".jpg", frame, option)[1].tobytes() for option in options)


def _both_checks(path: Path) -> None:
    inspect_file(path, False, POSETRACK)
    inspect_file(path, True, POSETRACK)


def _convert(path: Path) -> None:
    for side in ("annotations", "predictions"):
        content = read_object(path)
        parse_poses(content, path, side)
        if "annolist" in content:
            to_posetrack18(content, path, side)
        else:
            to_posetrack17(content, path, side)


def _convert_folders(path: Path) -> None:
    for form in ("posetrack17", "posetrack18"):
        convert_folder(path.parent, path.parent / "out", form, "predictions")


def _to_coco(path: Path) -> None:
    content = read_object(path)
    parse_poses(content, path, "predictions")
    coco_results(content, path, "heatmap_times_box")


def _coco_truth() -> dict[str, Any]:
    """Return annotations with COCO's own joints for the frames of `annotations_2018`."""
    content = _coco()
    category = {**content["categories"][0], "keypoints": list(COCO.joint_names)}
    return {**content, "categories": [category]}


def _zips() -> tuple[bytes, ...]:
    """Return the leaderboard's zip of one video, packed and not."""
    files = []
    for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr(zipfile.ZipInfo("a.json"), _json(annotations_2018())[0], method)
        files.append(buffer.getvalue())
    return tuple(files)


def _submission(path: Path, truth: Path) -> None:
    """Check a submission whose zip is damaged; what it finds are lines that name a file."""
    path.with_name("a.json").write_bytes(_json(annotations_2018())[0])
    for problem in check_submission(path.parent, truth):
        raise ValueError(problem)


def _coco_ap(path: Path, good: Path) -> None:
    poses = path.parent / "poses"
    poses.mkdir()
    shutil.copy(good / "a18.json", poses)
    evaluate_coco(path, poses, "heatmap_times_box")


def _resume_detections(path: Path) -> None:
    with PartialDetections(path.with_name("boxes.json"), {"detector": "x", "nms_iou": 0.5}) as run:
        run.add(1, np.zeros((0, 4)), np.zeros(0))


def make_readers(folder: Path) -> tuple[Reader, ...]:
    """Return all readers; `folder` gets a valid set that some of them compare with."""
    good = folder / "good"
    good.mkdir()
    for year, content in (("18", annotations_2018()), ("17", annotations_2017())):
        (good / f"a{year}.json").write_text(json.dumps(content))
    videos = read_annotations(good / "a18.json", Path("data"))
    facts = inspect_file(good / "a18.json", False, POSETRACK)
    coco_truth = folder / "coco_truth.json"
    coco_truth.write_text(json.dumps(_coco_truth()))
    truth = folder / "truth"
    truth.mkdir()
    (truth / "a.json").write_text(json.dumps(annotations_2018()))
    zipped, legacy, tensors = _weights()
    moving = {**video_seeds(), **image_seeds()}
    both = _json(annotations_2018(), annotations_2017())
    in_json = (mutate_json, mutate_json, mutate_bytes)
    return (
        Reader("config", "a.yaml", tuple(text.encode() for text in CONFIGS), load_config, share=8),
        Reader("config_values", "a.yaml", _json(*map(parse_yaml, CONFIGS)), load_config,
               (mutate_json,), share=3),
        Reader("skeleton_values", "s.yaml", _json(parse_yaml(SKELETON)), read_skeleton,
               (mutate_json,), share=2),
        Reader("skeleton", "s.yaml", (SKELETON.encode(),), read_skeleton, share=4),
        Reader("annotations", "a.json", both,
               lambda p: read_annotations(p.parent, Path("data")), in_json, share=12),
        Reader("merged", "all.json", _json(annotations_2018()),
               lambda p: read_annotations(p, Path("data")), in_json, share=6),
        Reader("coco", "c.json", _json(_coco()), lambda p: read_coco(p, Path("data")), in_json),
        Reader("detections", "d.json", _json(detections()),
               lambda p: read_detections(p, videos, 0.1), in_json, share=6),
        Reader("rekey", "d.json", _json(detections()),
               lambda p: rekey_detections(p, videos, "image_name"), in_json, share=3),
        Reader("partial", "boxes.partial.jsonl", (PARTIAL,), _resume_detections, share=3),
        Reader("check", "a.json", both, _both_checks, in_json, share=6),
        Reader("check_detections", "d.json", _json(detections()),
               lambda p: check_detections(p, facts, 0.1), in_json, share=3),
        Reader("frame_names", "a.json", both, read_frame_names, in_json, share=3),
        Reader("evaluate", "a.json", both,
               lambda p: evaluate_folders(truth, p.parent), in_json, share=6),
        Reader("evaluate_truth", "a.json", both,
               lambda p: evaluate_folders(p.parent, truth), in_json, share=6),
        Reader("convert", "a.json", both, _convert, in_json),
        Reader("convert_folder", "a.json", both, _convert_folders, in_json, share=2),
        Reader("coco_results", "a.json", both, _to_coco, in_json, share=3),
        Reader("frame", "000000.jpg", _jpegs(), read_frame, share=8),
        Reader("check_jpeg", "000000.jpg", _jpegs(), inspect_frame, share=3),
        Reader("weights_zip", "a.pth", (zipped,), read_weights, share=3),
        Reader("weights_legacy", "a.pth", (legacy,), read_weights, share=3),
        *(Reader(f"video_{suffix}", f"a.{suffix}", (seed,), copy_video, share=2)
          for suffix, seed in moving.items()),
        Reader("submission", "submission.zip", _zips(), lambda p: _submission(p, truth), share=3),
        Reader("coco_ap", "c.json", _json(_coco_truth()), lambda p: _coco_ap(p, good), in_json),
        Reader("coco_ap_poses", "a.json", _json(annotations_2018()),
               lambda p: evaluate_coco(coco_truth, p.parent, "heatmap_times_box"), in_json),
        Reader("safetensors", "a.safetensors", (tensors,), read_weights, share=3),
    )  # fmt: skip
