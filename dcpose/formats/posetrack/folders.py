"""Folders of files of one video each: which files count, and which belong together."""

from __future__ import annotations

import logging
from pathlib import Path

from dcpose.files.listing import list_folder

MANIFEST = "synthetic.json"
"""Beside the folders of a rendered data set: how it was made, and how large it is."""

_log = logging.getLogger(__name__)


def json_files(folder: Path) -> list[Path]:
    """Return the JSON files of a folder, sorted by name.

    Raises:
        ValueError: if the folder does not exist.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder, expected one JSON file per video")
    return list_folder(folder, ".json")


def paired_files(annotations_dir: Path, predictions_dir: Path) -> list[tuple[Path, Path]]:
    """Return each annotation file with the predictions file of the same name.

    Raises:
        ValueError: if a folder or a predictions file is missing.
    """
    annotation_files = json_files(annotations_dir)
    prediction_names = {path.name for path in json_files(predictions_dir)}
    missing = [path.name for path in annotation_files if path.name not in prediction_names]
    if missing:
        raise ValueError(
            f"{predictions_dir / missing[0]}: does not exist, expected one predictions file per "
            f"annotation file ({len(missing)} of {len(annotation_files)} are missing); a video "
            "without people needs a file with its images and no annotations"
        )
    surplus = prediction_names - {path.name for path in annotation_files}
    if surplus:
        _log.warning(
            "%s: %d files have no annotation file and are not read, e.g. %s",
            predictions_dir, len(surplus), min(surplus),
        )  # fmt: skip
    if not annotation_files:
        _log.warning("%s: holds no JSON files, every number is 0", annotations_dir)
    return [(path, predictions_dir / path.name) for path in annotation_files]
