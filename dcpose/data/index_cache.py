"""Annotation files to records, kept in one array file so that the next run need not parse JSON.

The file is valid for one list of annotation files with their modification times and sizes; when
any of them changes, all are read again. It holds plain arrays and JSON, nothing that runs on
loading.
"""

import dataclasses
import io
import json
import logging
import zipfile
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from dcpose.check.cache import cache_name, stamp_of, write_atomically
from dcpose.formats.posetrack.images import ImagePlace
from dcpose.formats.posetrack.records import VideoAnnotation, read_annotations
from dcpose.skeleton import POSETRACK, Skeleton
from dcpose.structures import PersonRecord

logger = logging.getLogger(__name__)

VERSION = 2
"""Goes up with every change of what is stored or of how annotation files are read."""

_PLAIN_FIELDS = {field.name for field in dataclasses.fields(VideoAnnotation)} - {
    "source", "folder", "image_wh", "people", "skipped", "base",
}  # fmt: skip
_NO_TRACK = np.iinfo(np.int64).min


def read_annotations_cached(
    source: Path,
    image_root: Path,
    cache_dir: Path | None,
    skeleton: Skeleton = POSETRACK,
    image_folder: str | None = None,
) -> list[VideoAnnotation]:
    """Return what `read_annotations` returns, from the cache where it is up to date.

    Args:
        source: folder of `.json` files, one per video; or one file of all videos.
        image_root: what `file_name` in the files is relative to.
        cache_dir: folder of the cache; None always reads the files.
        skeleton: joint order of the records.
        image_folder: see `read_annotations`.

    Raises:
        ValueError: if there is no annotation file, or a file breaks the form.
    """
    if cache_dir is None:
        return read_annotations(source, image_root, skeleton, image_folder)
    name = cache_name("index", str(source.resolve()), repr(skeleton), repr(image_folder))
    path = cache_dir / f"{name}.npz"
    key = _key(source)
    videos = _load(path, key, source, ImagePlace(image_root, image_folder))
    if videos is None:
        videos = read_annotations(source, image_root, skeleton, image_folder)
        write_atomically(path, _pack(videos, key, source, image_root))
    return videos


def _key(source: Path) -> list[Any]:
    files = sorted(source.glob("*.json")) if source.is_dir() else [source]
    return [VERSION, [[file.name, *stamp_of(file.stat())] for file in files if file.exists()]]


def _pack(videos: list[VideoAnnotation], key: list[Any], source: Path, image_root: Path) -> bytes:
    people = [person for video in videos for person in video.people]
    tracks = [_NO_TRACK if person.track_id is None else person.track_id for person in people]
    head = {"key": key, "videos": [_video_entry(video, source, image_root) for video in videos]}
    buffer = io.BytesIO()
    np.savez(
        buffer,
        head=np.frombuffer(json.dumps(head).encode("utf-8"), np.uint8),
        image_ids=np.array([p.image_id for p in people], np.int64),
        frames=np.array([p.frame for p in people], np.int64),
        tracks=np.array(tracks, np.int64),
        boxes=np.array([p.box_xywh for p in people], np.float64),
        joints=np.array([p.joints for p in people], np.float64),
    )
    return buffer.getvalue()


def _video_entry(video: VideoAnnotation, source: Path, image_root: Path) -> dict[str, Any]:
    # joining an absolute path to the root gives that path, so it may stay as it is
    inside = video.folder.is_relative_to(image_root)
    folder = video.folder.relative_to(image_root) if inside else video.folder
    return {
        "plain": {name: getattr(video, name) for name in _PLAIN_FIELDS},
        "source": video.source.relative_to(source).as_posix(),
        "folder": folder.as_posix(),
        "image_wh": video.image_wh,
        "num_people": len(video.people),
        "skipped": dict(video.skipped),
    }


def _load(
    path: Path, key: list[Any], source: Path, place: ImagePlace
) -> list[VideoAnnotation] | None:
    """Return the videos of a cache file; None if it is missing, damaged or out of date."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            head = json.loads(stored["head"].tobytes())
            if head["key"] != key:
                return None
            columns = [
                stored[name].tolist() if name in ("image_ids", "frames", "tracks") else stored[name]
                for name in ("image_ids", "frames", "tracks", "boxes", "joints")
            ]
            return _unpack(head["videos"], columns, source, place)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        logger.warning("%s: damaged cache is ignored (%s)", path, error)
        return None


def _unpack(
    entries: list[dict[str, Any]], columns: list[Any], source: Path, place: ImagePlace
) -> list[VideoAnnotation]:
    rows = zip(*columns, strict=True)
    videos = []
    for entry in entries:
        name = entry["plain"]["name"]
        people = [_person(name, *row) for row in islice(rows, entry["num_people"])]
        if len(people) != entry["num_people"]:
            raise ValueError(f"{name}: {entry['num_people']} people expected, {len(people)} stored")
        size = entry["image_wh"]
        videos.append(
            VideoAnnotation(
                **entry["plain"],
                source=source / entry["source"],
                folder=place.root / entry["folder"],
                image_wh=None if size is None else (size[0], size[1]),
                people=people,
                skipped=Counter(entry["skipped"]),
                base=place.base,
            )
        )
    return videos


def _person(
    video: str, image_id: int, frame: int, track: int, box: np.ndarray, joints: np.ndarray
) -> PersonRecord:
    return PersonRecord(
        video=video,
        image_id=image_id,
        frame=frame,
        box_xywh=box,
        joints=joints,
        track_id=None if track == _NO_TRACK else track,
    )
