"""Videos of one's own: any folder name, any frame number; PoseTrack's ids ask for its names."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from dcpose.check.layout import SplitFiles
from dcpose.check.run import CheckOptions, check_data_set
from dcpose.evaluation.evaluator import evaluate_folders
from dcpose.formats.posetrack.convert import convert_folder
from dcpose.formats.posetrack.predictions import write_predictions
from dcpose.formats.posetrack.records import read_annotations
from dcpose.structures import PosePrediction
from tests.fixtures.data_folder import DataFolder


def write_video(root: Path, folder: str, first: int, first_id: int, suffix=".jpg") -> DataFolder:
    """Write three labelled frames of a long recording, and its annotation file."""
    data = DataFolder(root)
    place = root / "images/val" / folder
    place.mkdir(parents=True)
    images, people = [], []
    for k in range(3):
        number = first + k
        cv2.imwrite(str(place / f"{number:06d}{suffix}"), np.full((120, 160, 3), 9, np.uint8))
        name = f"images/val/{folder}/{number:06d}{suffix}"
        size = {"width": 160, "height": 120, "nframes": 20_000}
        images.append({"id": first_id + k, "file_name": name, **size})
        people.append({**data.person(first_id + k), "bbox_head": [50, 20, 12, 16]})
    data.write(folder, images=images, annotations=people)
    return data


OWN = {
    "frame 10000": ("000001_mpii_test", 9_998, 5_000_000, ".jpg"),
    "another folder": ("kitchen morning", 0, 1, ".jpg"),
    "Penn Action": ("0001", 1, 2_000, ".jpg"),
    "PNG, ids of the time": ("cam-2", 10_000, 1_764_399_000_123, ".png"),
}


@pytest.mark.parametrize("kind", OWN)
def test_own_names_are_checked_read_and_measured(tmp_path, kind):
    data = write_video(tmp_path, *OWN[kind])
    files = SplitFiles("val", data.annotations)
    report = check_data_set(tmp_path, [files], CheckOptions(missing_neighbors="repeat"))
    assert not report.problems
    assert report.splits[0].usable_frames == 3
    (video,) = read_annotations(data.annotations, tmp_path)
    assert len(video.frames_on_disk()) == 3
    poses = [PosePrediction(p, p.joints[:, :2], np.full(17, 0.9, np.float32)) for p in video.people]
    predictions = tmp_path / "predictions"
    predictions.mkdir()
    write_predictions(predictions / f"{video.name}.json", video.images, poses)
    assert evaluate_folders(data.annotations, predictions).total == 100
    convert_folder(predictions, tmp_path / "2017", "posetrack17", "predictions")
    assert evaluate_folders(data.annotations, tmp_path / "2017").total == 100


@pytest.mark.parametrize(
    ("folder", "first"), [("000001_mpii_test", 9_998), ("kitchen", 0), ("000001_youtube", 5)]
)
def test_ids_of_posetrack_with_other_names_are_refused_first(tmp_path, folder, first):
    data = write_video(tmp_path, folder, first, 10_000_010_000 + first)
    files = SplitFiles("val", data.annotations)
    report = check_data_set(tmp_path, [files], CheckOptions(missing_neighbors="repeat"))
    (finding,) = [finding for finding in report.findings if finding.code == "frame-name"]
    assert "11 digits" in finding.line()
    with pytest.raises(ValueError, match=r"does not follow .* give the images ids of their own"):
        read_annotations(data.annotations, tmp_path)
