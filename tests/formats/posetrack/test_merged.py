"""One annotation file of all videos."""

import json

import pytest

from dcpose.formats.posetrack.merged import split_videos, write_videos
from dcpose.formats.posetrack.records import read_annotations


@pytest.fixture
def merged(data_folder):
    """A file of two videos, their images and people mixed."""
    parts = [
        json.loads(data_folder.add_video(name, num_frames=2).read_text())
        for name in ("000002_b", "000001_a")
    ]
    return {
        "images": [
            image for pair in zip(*(p["images"] for p in parts), strict=True) for image in pair
        ],
        "annotations": [person for part in parts for person in part["annotations"]],
        "categories": parts[0]["categories"],
    }


def test_videos_in_the_order_of_their_names(merged, data_folder, tmp_path):
    path = tmp_path / "all.json"
    path.write_text(json.dumps(merged))
    videos = read_annotations(path, data_folder.root)
    assert [video.name for video in videos] == ["000001_a", "000002_b"]
    separate = data_folder.videos()
    for video, expected in zip(videos, separate, strict=True):
        assert (video.images, video.folder) == (expected.images, expected.folder)
        assert [p.image_id for p in video.people] == [p.image_id for p in expected.people]
        assert {p.video for p in video.people} == {video.name}


def test_written_as_one_file_per_video(merged, data_folder, tmp_path):
    path = tmp_path / "all.json"
    path.write_text(json.dumps(merged))
    write_videos(path, tmp_path / "videos")
    assert len(read_annotations(tmp_path / "videos", data_folder.root)) == 2
    written = json.loads((tmp_path / "videos/000001_a.json").read_text())
    assert written == json.loads((data_folder.annotations / "000001_a.json").read_text())


def test_a_split_without_people(merged):
    videos = split_videos({"images": merged["images"]}, "all.json")
    assert [set(video) for video in videos.values()] == [{"images"}, {"images"}]


def test_folders_of_one_name_get_their_parents(merged):
    for image in merged["images"]:
        image["file_name"] = image["file_name"].replace("000002_b", "bonn/000001_a")
    assert list(split_videos(merged, "all.json")) == ["bonn-000001_a", "val-000001_a"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda c: c["images"][3].pop("file_name"),
            r"all\.json: images\[3\]: file_name is missing",
        ),
        (lambda c: c["images"].append(c["images"][0]), r"images\[4\]: id \d+ occurs twice"),
        (lambda c: c["annotations"][1].update(image_id=5), r"annotations\[1\]: image_id 5 is not"),
        (lambda c: c.update(annotations=3), r"annotations must be a list"),
        (lambda c: c.update(images=[]), r"all\.json: images is empty"),
        (
            lambda c: c["annotations"][0].update(keypoints=[1]),
            r"all\.json \(000002_b\): annotations\[0\]: keypoints must hold 51",
        ),
    ],
)
def test_broken_files_are_named(merged, data_folder, tmp_path, change, message):
    change(merged)
    path = tmp_path / "all.json"
    path.write_text(json.dumps(merged))
    if "images is empty" in message:
        merged["annotations"].clear()
        path.write_text(json.dumps(merged))
    with pytest.raises(ValueError, match=message):
        read_annotations(path, data_folder.root)


def test_the_folder_of_a_file_of_all_videos(merged, data_folder):
    for path in data_folder.annotations.iterdir():
        path.unlink()
    (data_folder.annotations / "all.json").write_text(json.dumps(merged))
    with pytest.raises(ValueError, match="a file of all videos is named itself, not its folder"):
        data_folder.videos()


def test_frames_in_another_folder(merged, data_folder, tmp_path):
    path = tmp_path / "all.json"
    path.write_text(json.dumps(merged))
    video, _ = read_annotations(path, data_folder.root, image_folder="images_renamed")
    assert video.folder == data_folder.root / "images_renamed/val/000001_a"
    for image in merged["images"]:
        image["file_name"] = image["file_name"].removeprefix("images/")
    path.write_text(json.dumps(merged))
    video, _ = read_annotations(path, data_folder.root, image_folder="images_renamed")
    assert video.folder == data_folder.root / "images_renamed/val/000001_a"
