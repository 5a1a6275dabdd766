"""Annotation files that hold many videos (`posetrack_train.json` of the released DCPose data).

The form is that of PoseTrack 2018; which images make a video is told by the folders of their names.
"""

import json
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Any

from dcpose.files.writing import write_text
from dcpose.formats import fields
from dcpose.formats.posetrack.images import get_image_name


def split_videos(content: dict[str, Any], where: str) -> dict[str, dict[str, Any]]:
    """Split a file into one 2018-form object per video.

    A video is called like the last folder of its images; where several have the same, like the
    last two, joined by a dash.

    Args:
        content: the parsed file; like those of a test split it may stop at `images`.
        where: start of messages, the path of the file.

    Returns:
        objects by name of the video, in the order of the names; images and people keep theirs.

    Raises:
        ValueError: if an image lacks name or id, two images share an id, a person belongs to no
            image, or two videos would have the same name.
    """
    folders: dict[PurePosixPath, list[dict[str, Any]]] = {}
    folder_of: dict[int, PurePosixPath] = {}
    for index, image in enumerate(fields.get_list(content, "images", where)):
        place = f"{where}: images[{index}]"
        folder = PurePosixPath(get_image_name(image, "file_name", place)).parent
        image_id = fields.get_int(image, "id", place)
        if image_id in folder_of:
            raise ValueError(f"{place}: id {image_id} occurs twice, expected once in the file")
        folder_of[image_id] = folder
        folders.setdefault(folder, []).append(image)

    people: dict[PurePosixPath, list[Any]] = {folder: [] for folder in folders}
    has_people = content.get("annotations") is not None
    entries = fields.get_list(content, "annotations", where) if has_people else []
    for index, person in enumerate(entries):
        place = f"{where}: annotations[{index}]"
        image_id = fields.get_int(person, "image_id", place)
        if image_id not in folder_of:
            raise ValueError(f"{place}: image_id {image_id} is not the id of any image")
        people[folder_of[image_id]].append(person)

    videos = {}
    for folder, name in _names(list(folders), where).items():
        parts = {"annotations": people[folder], "categories": content.get("categories")}
        given = {key: part for key, part in parts.items() if content.get(key) is not None}
        videos[name] = {"images": folders[folder], **given}
    return dict(sorted(videos.items()))


def write_videos(source: Path, folder: Path) -> None:
    """Write a file of many videos as a folder of one file per video, `<video>.json`.

    Raises:
        ValueError: see `split_videos`.
    """
    videos = split_videos(fields.read_json(source), str(source))
    folder.mkdir(parents=True, exist_ok=True)
    for name, video in videos.items():
        write_text(folder / f"{name}.json", json.dumps(video))


def _names(folders: list[PurePosixPath], where: str) -> dict[PurePosixPath, str]:
    counts = Counter(folder.name for folder in folders)
    names = {
        folder: folder.name if counts[folder.name] == 1 else "-".join(folder.parts[-2:])
        for folder in folders
    }
    # of two videos with the same name one would be lost, without a name its predictions would be
    repeated = Counter(names.values())
    for folder, name in names.items():
        if not name or repeated[name] > 1:
            raise ValueError(
                f"{where}: images in {str(folder)!r} make a video called {name!r}, expected a name "
                "of its own for each folder, such as images/val/<video>"
            )
    return names
