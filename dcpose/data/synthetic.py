"""Rendered videos of people in the form of PoseTrack 2018, for training without a download.

Layout of the folder (image paths in the annotation files are relative to it):
    images/{train,val}/<video>/%06d.jpg
    annotations/{train,val}/<video>.json     labels: train, the centre frames; val, every fourth
    annotations/test/<video>.json            the val videos again, images only
    detections/{val,test}.json               jittered boxes; val: labelled frames, test: all frames
    synthetic.json                           parameters and counts, written last
Annotations carry the extra key `conditions`: which failures hit the person in this frame, a subset
of `synthetic_bursts.CONDITIONS`; empty for a clean one.
"""

import json
import multiprocessing
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from dcpose.data.synthetic_bursts import CONDITIONS
from dcpose.data.synthetic_video import Truth, Video
from dcpose.skeleton import POSETRACK

GENERATOR_VERSION = 1
MANIFEST, UNFINISHED = "synthetic.json", "synthetic.unfinished.json"
SPLITS = ("train", "val")
FIRST_VIDEO = {"train": 1, "val": 10001}
SUFFIX = {"train": "mpii_train", "val": "mpii_test"}
MIN_JOINTS = 3
"""People with fewer labelled joints are left out."""


@dataclass(frozen=True)
class Summary:
    """What a folder holds.

    Attributes:
        videos: number of videos, both splits.
        frames: number of pictures.
        train_people, val_people: labelled people.
        hit: share of labelled people with at least one condition.
    """

    videos: int
    frames: int
    train_people: int
    val_people: int
    hit: float


@dataclass(frozen=True)
class _Job:
    out: Path
    seed: int
    split: str
    index: int
    frames: int
    image_wh: tuple[int, int]

    @property
    def number(self) -> int:
        return FIRST_VIDEO[self.split] + self.index

    @property
    def name(self) -> str:
        return f"{self.number:06d}_{SUFFIX[self.split]}"

    def image_id(self, frame: int) -> int:
        return 10_000_000_000 + self.number * 10_000 + frame

    def is_labelled(self, frame: int) -> bool:
        if self.split == "val":
            return frame % 4 == 0
        border = self.frames // 12
        return border <= frame < self.frames - border


@dataclass(frozen=True)
class _Done:
    split: str
    people: int
    hit: int
    detections: list[dict[str, Any]]
    labelled_ids: list[int]


def generate(
    out: Path,
    *,
    seed: int,
    train_videos: int,
    val_videos: int,
    frames: int,
    image_wh: tuple[int, int],
    workers: int,
) -> Summary:
    """Render a data set; a folder that is finished with the same parameters is left as it is.

    Args:
        out: folder; created, or empty, or an unfinished or finished one of the same parameters.
        seed: the files are the same for the same seed, whatever `workers` is.
        train_videos: number of training videos.
        val_videos: number of validation videos.
        frames: frames per video, 4 to 9999.
        image_wh: size of the frames in pixels, each side at least 96.
        workers: processes.

    Raises:
        ValueError: for numbers out of range, or a folder that holds something else.
    """
    parameters = {
        "generator_version": GENERATOR_VERSION,
        "seed": seed,
        "train_videos": train_videos,
        "val_videos": val_videos,
        "frames": frames,
        "image_wh": list(image_wh),
    }
    _check_numbers(parameters, workers)
    finished = _check_folder(out, parameters)
    if finished is not None:
        return finished
    out.mkdir(parents=True, exist_ok=True)
    _write_json(out / UNFINISHED, parameters)
    counts = {"train": train_videos, "val": val_videos}
    jobs = [
        _Job(out, seed, split, index, frames, image_wh)
        for split in SPLITS
        for index in range(counts[split])
    ]
    done = list(_progress(_run(jobs, workers), len(jobs)))
    _write_detections(out, done)
    people = {split: sum(d.people for d in done if d.split == split) for split in SPLITS}
    total = max(sum(people.values()), 1)
    summary = Summary(
        videos=len(jobs),
        frames=len(jobs) * frames,
        train_people=people["train"],
        val_people=people["val"],
        hit=round(sum(d.hit for d in done) / total, 4),
    )
    _write_json(out / MANIFEST, {"parameters": parameters, "summary": asdict(summary)})
    (out / UNFINISHED).unlink()
    return summary


def _check_numbers(parameters: dict[str, Any], workers: int) -> None:
    if parameters["train_videos"] + parameters["val_videos"] < 1 or min(
        parameters["train_videos"], parameters["val_videos"]
    ) not in range(10_000):
        raise ValueError(
            f"train_videos and val_videos must be 0 to 9999 and not both 0, got "
            f"{parameters['train_videos']} and {parameters['val_videos']}"
        )
    if parameters["frames"] not in range(4, 10_000):
        raise ValueError(f"frames must be 4 to 9999, got {parameters['frames']}")
    if min(parameters["image_wh"]) < 96 or max(parameters["image_wh"]) > 4096:
        raise ValueError(f"sides of the image must be 96 to 4096, got {parameters['image_wh']}")
    if parameters["seed"] < 0:
        raise ValueError(f"seed must not be negative, got {parameters['seed']}")
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")


def _check_folder(out: Path, parameters: dict[str, Any]) -> Summary | None:
    """Return the summary of a finished folder, None for one to fill; refuse all others."""
    if out.is_file():
        raise ValueError(f"{out} is a file, expected a folder to create")
    if (out / MANIFEST).is_file():
        manifest = json.loads((out / MANIFEST).read_text())
        found = manifest["parameters"]
        if found == parameters:
            return Summary(**manifest["summary"])
    elif (out / UNFINISHED).is_file():
        found = json.loads((out / UNFINISHED).read_text())
        if found == parameters:
            return None
    elif out.is_dir() and any(out.iterdir()):
        raise ValueError(f"{out} is not empty and was not made by this generator; name another one")
    else:
        return None
    keys = [key for key in parameters if found.get(key) != parameters[key]]
    raise ValueError(
        f"{out} was made with other parameters ({', '.join(keys)}); remove it or name another one"
    )


def _run(jobs: list[_Job], workers: int) -> Iterator[_Done]:
    """Yield the results in the order of the jobs."""
    if workers == 1:
        yield from map(_make_video, jobs)
        return
    # spawn: a forked child would inherit the threads of libraries that the caller has loaded
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        workers, context, initializer=cv2.setNumThreads, initargs=(1,)
    ) as pool:
        yield from pool.map(_make_video, jobs)


def _progress(results: Iterator[_Done], total: int) -> Iterator[_Done]:
    """A bar on a terminal, a line per tenth elsewhere."""
    if sys.stderr.isatty():
        yield from tqdm(results, total=total, unit="video", desc="rendering")
        return
    for count, result in enumerate(results, 1):
        if count * 10 // total != (count - 1) * 10 // total:
            print(f"rendered {count} of {total} videos", file=sys.stderr, flush=True)
        yield result


def _make_video(job: _Job) -> _Done:
    """Render one video and write its frames and annotation files."""
    rng = np.random.default_rng([job.seed, SPLITS.index(job.split), job.index])
    video = Video(job.frames, job.image_wh, rng)
    folder = Path("images") / job.split / job.name
    (job.out / folder).mkdir(parents=True, exist_ok=True)
    for frame, picture in enumerate(video):
        ok, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])
        if not ok:
            raise ValueError(f"cannot encode {folder}/{frame:06d}.jpg")
        (job.out / folder / f"{frame:06d}.jpg").write_bytes(data.tobytes())
    truth = video.truth
    images = [_image(job, folder, frame, truth) for frame in range(job.frames)]
    people = [p for frame in range(job.frames) for p in _people(job, frame, truth)]
    labelled_ids = [image["id"] for image in images if image["is_labeled"]]
    labelled = [p for p in people if p["image_id"] in set(labelled_ids)]
    head = {"images": images, "categories": _categories()}
    name = f"{job.name}.json"
    _write_json(job.out / "annotations" / job.split / name, {**head, "annotations": labelled})
    detections = []
    if job.split == "val":
        _write_json(job.out / "annotations" / "test" / name, head)
        detections = _detections(job, people, rng)
    hit = sum(bool(person["conditions"]) for person in labelled)
    return _Done(job.split, len(labelled), hit, detections, labelled_ids)


def _image(job: _Job, folder: Path, frame: int, truth: Truth) -> dict[str, Any]:
    polygons = [polygon.astype(int) for polygon in truth.ignore[frame]]
    return {
        "id": job.image_id(frame),
        "frame_id": job.image_id(frame),
        "file_name": f"{folder.as_posix()}/{frame:06d}.jpg",
        "vid_id": f"{job.number:06d}",
        "nframes": job.frames,
        "width": job.image_wh[0],
        "height": job.image_wh[1],
        "is_labeled": job.is_labelled(frame),
        "ignore_regions_x": [polygon[:, 0].tolist() for polygon in polygons],
        "ignore_regions_y": [polygon[:, 1].tolist() for polygon in polygons],
    }


def _people(job: _Job, frame: int, truth: Truth) -> list[dict[str, Any]]:
    """Annotations of one frame; people with too few joints in sight are left out."""
    people = []
    for track in range(len(truth.joints)):
        joints = truth.joints[track, frame]
        count = int(joints[:, 2].sum())
        box = truth.box_xywh[track, frame].round(2).tolist()
        if count < MIN_JOINTS or min(box[2:]) <= 1:
            continue
        flags = truth.conditions[track, frame]
        people.append(
            {
                "id": job.image_id(frame) * 100 + track,
                "image_id": job.image_id(frame),
                "person_id": track,
                "track_id": track,
                "category_id": 1,
                "iscrowd": 0,
                "bbox": box,
                "area": round(box[2] * box[3], 2),
                "bbox_head": truth.head_xywh[track, frame].round().astype(int).tolist(),
                "keypoints": joints.round(2).ravel().tolist(),
                "num_keypoints": count,
                "scores": [],
                "conditions": [c for c, on in zip(CONDITIONS, flags, strict=True) if on],
            }
        )
    return people


def _detections(
    job: _Job, people: list[dict[str, Any]], rng: np.random.Generator
) -> list[dict[str, Any]]:
    """Boxes as a detector would give them: jittered, some missing, some of nobody."""
    found = []
    for person in people:
        x, y, w, h = person["bbox"]
        hard = bool(person["conditions"])
        jitter = rng.normal(0, 0.04 if hard else 0.025, 4) * (w, h, w, h)
        score = 1 - abs(rng.normal(0, 0.15 if hard else 0.06))
        missed = rng.uniform() < (0.04 if hard else 0.01)
        if not missed:
            box = (x + jitter[0], y + jitter[1], w + jitter[2], h + jitter[3])
            found.append(_detection(person["image_id"], box, max(score, 0.25)))
    width, height = job.image_wh
    for frame in range(job.frames):
        if rng.uniform() < 0.15:
            h = rng.uniform(0.15, 0.6) * height
            w = h * rng.uniform(0.3, 0.7)
            box = (rng.uniform(0, width - w), rng.uniform(0, height - h), w, h)
            found.append(_detection(job.image_id(frame), box, rng.uniform(0.05, 0.5)))
    return sorted(found, key=lambda detection: detection["image_id"])


def _detection(image_id: int, box: tuple[float, ...], score: float) -> dict[str, Any]:
    rounded = [round(float(value), 2) for value in box]
    return {"image_id": image_id, "category_id": 1, "bbox": rounded, "score": round(score, 4)}


def _write_detections(out: Path, done: list[_Done]) -> None:
    boxes = [box for video in done for box in video.detections]
    labelled = {image_id for video in done for image_id in video.labelled_ids}
    _write_json(out / "detections" / "test.json", boxes)
    in_val = [box for box in boxes if box["image_id"] in labelled]
    _write_json(out / "detections" / "val.json", in_val)


def _categories() -> list[dict[str, Any]]:
    names = list(POSETRACK.joint_names)
    limbs = (POSETRACK.limb_indices + 1).tolist()  # COCO counts from 1
    return [
        {
            "supercategory": "person",
            "id": 1,
            "name": "person",
            "keypoints": names,
            "skeleton": limbs,
        }
    ]


def _write_json(path: Path, content: Any) -> None:  # noqa: ANN401 - any JSON value
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
