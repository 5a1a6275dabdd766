"""Leaderboard files: what the PoseTrack server accepts, and a check of it before the upload."""

from __future__ import annotations

import logging
import struct
import zipfile
import zlib
from pathlib import Path

from dcpose.files.listing import is_hidden
from dcpose.files.writing import replacing
from dcpose.formats.posetrack.convert import Form, convert_folder, describe_omissions
from dcpose.formats.posetrack.folders import json_files
from dcpose.formats.posetrack.names import order_mismatch, parse_frame_name
from dcpose.formats.posetrack.predictions import read_frame_names, read_poses
from dcpose.skeleton import POSETRACK, Skeleton

ZIP_NAME = "submission.zip"

_log = logging.getLogger(__name__)


def export_submission(
    predictions_dir: Path,
    out_dir: Path,
    form: Form = "posetrack18",
    skeleton: Skeleton = POSETRACK,
) -> Path:
    """Write leaderboard files from predictions files.

    Every `<video>.json` is written under the same name, then all of them into `submission.zip`.
    Exporting the same predictions again gives the same bytes. Frames without people get no
    filler person.

    Args:
        predictions_dir: predictions, one file per video, in either form.
        out_dir: folder to write to, made if missing; not `predictions_dir`.
        form: form of the written files.
        skeleton: joints of the predictions.

    Returns:
        the path of the zip file.

    Raises:
        ValueError: if the two folders are the same, or predictions are missing or malformed.
    """
    omissions = convert_folder(predictions_dir, out_dir, form, "predictions", skeleton)
    if omissions:
        _log.info("%s: %s", out_dir, describe_omissions(omissions))
    zip_path = out_dir / ZIP_NAME
    _write_zip(zip_path, [out_dir / source.name for source in json_files(predictions_dir)])
    return zip_path


def _write_zip(zip_path: Path, files: list[Path]) -> None:
    """Write a zip of files without folders; equal files give equal bytes."""
    with replacing(zip_path) as unfinished, zipfile.ZipFile(unfinished, "w") as archive:
        for path in files:
            entry = zipfile.ZipInfo(path.name)  # the date stays 1980-01-01
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)


def check_submission(
    submission_dir: Path, annotations_dir: Path, skeleton: Skeleton = POSETRACK
) -> list[str]:
    """Check leaderboard files against everything the PoseTrack evaluator expects.

    One file per annotation file under the same name; as many frames, in the same order; image
    names that tell video and frame; PoseTrack's joint names; a track id for every person, unique
    inside its frame and below 10000; one finite score per joint; finite coordinates; people of
    known images only; and a zip that holds exactly these files.

    Args:
        submission_dir: folder with the JSON files and `submission.zip`.
        annotations_dir: annotation files; images are enough, people are not read.
        skeleton: joints of the submission.

    Returns:
        problems, one line each, naming file, place and way out; empty if all is well.

    Raises:
        ValueError: if a folder is missing or an annotation file is malformed.
    """
    annotation_files = {path.name: path for path in json_files(annotations_dir)}
    submitted = {path.name: path for path in json_files(submission_dir)}
    problems = [] if annotation_files else [f"{annotations_dir}: holds no JSON files"]
    for name, annotation_path in annotation_files.items():
        if name in submitted:
            problems += _check_video(submitted[name], annotation_path, skeleton)
        else:
            problems.append(
                f"{submission_dir / name}: missing; a video without people needs a file, too"
            )
    problems += [
        f"{path}: there is no annotation file of this name; remove it"
        for name, path in submitted.items()
        if name not in annotation_files
    ]
    return problems + _check_zip(submission_dir / ZIP_NAME, submitted)


def _check_video(path: Path, annotation_path: Path, skeleton: Skeleton) -> list[str]:
    """Return what is wrong with one file; only the first malformed value is found."""
    expected = read_frame_names(annotation_path)
    try:
        poses = read_poses(path, "predictions", skeleton)
    except ValueError as error:
        return [str(error)]
    problems = [f"{path}: {note}" for note in poses.notes]
    for name in poses.frame_names:
        try:
            parse_frame_name(name)
        except ValueError as error:
            problems.append(f"{path}: {error}")
            break
    if poses.num_frames != len(expected):
        problems.append(
            f"{path}: {poses.num_frames} frames, expected the {len(expected)} of "
            f"{annotation_path}; list every frame, also those without people"
        )
    elif mismatch := order_mismatch(expected, poses.frame_names):
        position, wanted, found = mismatch
        problems.append(
            f"{path}: frame {position} (counted from 0) is {found}, expected {wanted}; frames are "
            f"paired by position, list them in the order of {annotation_path}"
        )
    return problems


_ZIP_FAULTS = (
    OSError, ValueError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error, struct.error,
    NotImplementedError,
)  # fmt: skip
"""What zipfile raises for zips that are damaged, encrypted, or packed in a way it does not know."""


def _check_zip(zip_path: Path, submitted: dict[str, Path]) -> list[str]:
    """Return what is wrong with the zip file."""
    way_out = "export again"
    if not zip_path.exists():
        return [f"{zip_path}: missing; {way_out}"]
    problems = []
    try:
        with zipfile.ZipFile(zip_path) as archive:
            listed = archive.infolist()
            entries = {entry.filename: entry for entry in listed if not is_hidden(entry.filename)}
            for name in sorted(entries.keys() | submitted.keys()):
                if name not in submitted:
                    found = f"holds {ascii(name)[1:-1][:100]}, which is not in the folder"
                elif name not in entries:
                    found = f"lacks {name}"
                elif submitted[name].stat().st_size != entries[name].file_size or (
                    zlib.crc32(submitted[name].read_bytes()) != entries[name].CRC
                ):
                    found = f"{name} differs from the file in the folder"
                else:
                    continue
                problems.append(f"{zip_path}: {found}; {way_out}")
            # what announces more than the files hold is not unpacked, it may be a bomb
            if not problems and (damaged := archive.testzip()):
                problems.append(f"{zip_path}: {damaged} is damaged; {way_out}")
    except _ZIP_FAULTS as error:
        return [f"{zip_path}: cannot be read ({error}); {way_out}"]
    return problems
