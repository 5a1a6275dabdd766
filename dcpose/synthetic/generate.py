"""Rendered videos of people in the form of PoseTrack 2018, for training without a download.

Layout of the folder (image paths in the annotation files are relative to it):
    images/{train,val}/<video>/%06d.jpg
    annotations/{train,val}/<video>.json     labels: train, the centre frames; val, every fourth
    annotations/test/<video>.json            the val videos again, images only
    detections/{val,test}.json               jittered boxes; val: labelled frames, test: all frames
    synthetic.json                           parameters and counts, written last
Annotations carry the extra key `conditions`: which failures hit the person in this frame, a subset
of `bursts.CONDITIONS`; empty for a clean one.
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

from dcpose.files.listing import list_folder
from dcpose.files.writing import write_text
from dcpose.formats.posetrack.folders import MANIFEST
from dcpose.synthetic.labels import (
    VideoJob,
    category_entries,
    detection_entries,
    image_entry,
    people_entries,
)
from dcpose.synthetic.setting import Scenes, make_settings
from dcpose.synthetic.video import Video
from dcpose.synthetic.wardrobe import Wardrobe

GENERATOR_VERSION = 2
UNFINISHED = "synthetic.unfinished.json"
SPLITS = ("train", "val")


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
    scenes: Scenes = "street",
    photos: Path | None = None,
    bodies: Path | None = None,
    train_frames: int | None = None,
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
        scenes: what the videos show, and
        photos: folder of pictures that stand behind the people, and
        bodies: folder of meshes that the people have; see `make_settings`.
        train_frames: frames per training video, if not as many; 1 makes stills, of which no two
            show the same people.

    Raises:
        ValueError: for numbers out of range, or a folder that holds something else.
        ImportError: for bodies without embreex.
    """
    parameters: dict[str, Any] = {
        "generator_version": GENERATOR_VERSION,
        "seed": seed,
        "train_videos": train_videos,
        "val_videos": val_videos,
        "frames": frames,
        "image_wh": list(image_wh),
    }
    settings = make_settings(scenes, photos, bodies)
    if scenes != "street":
        parameters["scenes"] = scenes
    if settings[0].photos:
        parameters["photos"] = [photo.name for photo in settings[0].photos]
    if bodies is not None:
        parameters["bodies"] = Wardrobe(bodies).name
    if train_frames is not None:
        parameters["train_frames"] = train_frames
    _check_numbers(parameters, workers)
    finished = _check_folder(out, parameters)
    if finished is not None:
        return finished
    out.mkdir(parents=True, exist_ok=True)
    _write_json(out / UNFINISHED, parameters)
    jobs = [
        VideoJob(out, seed, split, index, length, image_wh, settings[index % len(settings)])
        for split, count, length in (
            ("train", train_videos, train_frames or frames),
            ("val", val_videos, frames),
        )
        for index in range(count)
    ]
    done = list(_progress(_run(jobs, workers), len(jobs)))
    _write_detections(out, done)
    summary = _summarise(done, sum(job.frames for job in jobs))
    _write_json(out / MANIFEST, {"parameters": parameters, "summary": asdict(summary)})
    (out / UNFINISHED).unlink()
    return summary


def _summarise(done: list[_Done], frames: int) -> Summary:
    people = {split: sum(d.people for d in done if d.split == split) for split in SPLITS}
    hit = sum(d.hit for d in done) / max(sum(people.values()), 1)
    return Summary(len(done), frames, people["train"], people["val"], round(hit, 4))


def _check_numbers(parameters: dict[str, Any], workers: int) -> None:
    videos = (parameters["train_videos"], parameters["val_videos"])
    if min(videos) < 0 or not 1 <= max(videos) < 10_000:
        raise ValueError(
            f"train_videos and val_videos must be 0 to 9999 and not both 0, got {videos}"
        )
    if parameters["frames"] not in range(4, 10_000):
        raise ValueError(f"frames must be 4 to 9999, got {parameters['frames']}")
    if parameters.get("train_frames", 1) not in range(1, 10_000):
        raise ValueError(f"train_frames must be 1 to 9999, got {parameters['train_frames']}")
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
        manifest = _read_manifest(out / MANIFEST, ("parameters", "summary"))
        found = manifest["parameters"]
        if found == parameters:
            return Summary(**manifest["summary"])
    elif (out / UNFINISHED).is_file():
        found = _read_manifest(out / UNFINISHED, ())
        if found == parameters:
            return None
    elif list_folder(out):
        raise ValueError(f"{out} is not empty and was not made by this generator; name another one")
    else:
        return None
    keys = [key for key in parameters | found if found.get(key) != parameters.get(key)]
    raise ValueError(
        f"{out} was made with other parameters ({', '.join(keys)}); remove it or name another one"
    )


def _read_manifest(path: Path, keys: tuple[str, ...]) -> dict[str, Any]:
    """Read a manifest; ValueError if it is not one of this generator."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON ({error}); remove its folder") from None
    if not isinstance(content, dict) or any(not isinstance(content.get(k), dict) for k in keys):
        raise ValueError(f"{path} is not a manifest of this generator; name another folder")
    return content


def _run(jobs: list[VideoJob], workers: int) -> Iterator[_Done]:
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


def _make_video(job: VideoJob) -> _Done:
    """Render one video and write its frames and annotation files."""
    rng = np.random.default_rng([job.seed, SPLITS.index(job.split), job.index])
    video = Video(job.frames, job.image_wh, rng, job.setting)
    folder = Path("images") / job.split / job.name
    (job.out / folder).mkdir(parents=True, exist_ok=True)
    for frame, picture in enumerate(video):
        ok, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])
        if not ok:
            raise ValueError(f"cannot encode {folder}/{frame:06d}.jpg")
        (job.out / folder / f"{frame:06d}.jpg").write_bytes(data.tobytes())
    truth = video.truth
    images = [image_entry(job, folder, frame, truth) for frame in range(job.frames)]
    people = [p for frame in range(job.frames) for p in people_entries(job, frame, truth)]
    labelled_ids = [image["id"] for image in images if image["is_labeled"]]
    labelled = [p for p in people if p["image_id"] in set(labelled_ids)]
    head = {"images": images, "categories": category_entries()}
    name = f"{job.name}.json"
    _write_json(job.out / "annotations" / job.split / name, {**head, "annotations": labelled})
    detections = []
    if job.split == "val":
        _write_json(job.out / "annotations" / "test" / name, head)
        detections = detection_entries(job, people, rng)
    hit = sum(bool(person["conditions"]) for person in labelled)
    return _Done(job.split, len(labelled), hit, detections, labelled_ids)


def _write_detections(out: Path, done: list[_Done]) -> None:
    boxes = [box for video in done for box in video.detections]
    labelled = {image_id for video in done for image_id in video.labelled_ids}
    _write_json(out / "detections" / "test.json", boxes)
    in_val = [box for box in boxes if box["image_id"] in labelled]
    _write_json(out / "detections" / "val.json", in_val)


def _write_json(path: Path, content: Any) -> None:  # noqa: ANN401 - any JSON value
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(content))
