"""Image names and links: nothing outside the data set is read, nothing beside it written."""

import json
import os

import pytest

from dcpose.check.run import CheckOptions, SplitFiles, check_data_set
from dcpose.data.clip import ClipOptions, usable_frames
from dcpose.formats.coco import read_coco
from dcpose.formats.posetrack.images import name_fault
from dcpose.formats.posetrack.merged import write_videos
from dcpose.formats.posetrack.records import read_annotations
from dcpose.skeleton import POSETRACK

VIDEO = "000342_mpii_test"
OUTSIDE = {
    "up": "../outside/000000.jpg",
    "up and down": "images/../../outside/000000.jpg",
    "up, inside at last": "images/x/../x/000000.jpg",
    "absolute": "/etc/000000.jpg",
    "absolute, twice": "//etc/000000.jpg",
    "another disk": "C:\\data\\000000.jpg",
    "another disk, relative": "C:000000.jpg",
    "another computer": "\\\\server\\share\\000000.jpg",
    "up, on Windows": "images\\..\\..\\outside\\000000.jpg",
    "root, on Windows": "\\outside\\000000.jpg",
}
NO_NAME = {
    "zero byte": "images/\0/000000.jpg",
    "line break": "images/a\nb/000000.jpg",
    "escape of a terminal": "images/\x1b[2J/000000.jpg",
    "half a character": "images/\ud800/000000.jpg",
    "5,000 characters": f"images/{'x' * 5000}/000000.jpg",
}
FINE = [
    "images/val/a b/000000.jpg",
    "images/val/..a/000000.jpg",
    "images/val/a..b/000000.jpg",
    "./images/val/Ordner mit Ö/000000.jpg",
    "images/val/動画　一/000000.jpg",
    "images/val/video~1/000000.jpg",
    "images/val/-rf/000000.jpg",
    "images/val/$HOME/000000.jpg",
    "images/val/`id`/000000.jpg",
]


def image(name, number=1):
    return {"id": number, "file_name": name, "width": 64, "height": 48}


def person(number=1):
    return {"id": 1, "image_id": number, "track_id": 0, "category_id": 1, "bbox": [1, 1, 9, 9],
            "keypoints": [5, 5, 1] * 17}  # fmt: skip


def content(*images, people=()):
    category = {"id": 1, "name": "person", "keypoints": list(POSETRACK.joint_names)}
    return {"images": list(images), "annotations": list(people), "categories": [category]}


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path


@pytest.mark.parametrize("name", [*OUTSIDE, *NO_NAME])
def test_names_that_lead_out(name, told, tmp_path):
    file_name = {**OUTSIDE, **NO_NAME}[name]
    found = "leads out of the folder" if name in OUTSIDE else "characters"
    file = write(tmp_path / "annotations" / "a.json", content(image(file_name)))
    told(lambda: read_annotations(file.parent, tmp_path), file, f"images.0.: file_name .*{found}")
    told(lambda: read_annotations(file, tmp_path), file, found)
    told(lambda: read_coco(file, tmp_path), file, found)
    told(lambda: write_videos(file, tmp_path / "out"), file, found)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["up", "absolute", "line break"])
def test_2017_names_that_lead_out(name, told, tmp_path):
    frame = {"image": [{"name": {**OUTSIDE, **NO_NAME}[name]}], "annorect": []}
    file = write(tmp_path / "annotations" / "a.json", {"annolist": [frame]})
    told(lambda: read_annotations(file.parent, tmp_path), file, "annolist.0.|images.0.")


@pytest.mark.parametrize("name", FINE)
def test_names_of_all_alphabets(name, tmp_path):
    file = write(tmp_path / "annotations" / "a.json", content(image(name)))
    (video,) = read_annotations(file, tmp_path)
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    assert name_fault(name) is None
    assert video.frames_on_disk() == {0}
    assert video.frame_path(0) == path


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["000000.jpg"], "make a video called ''"),
        (["images/000000.jpg", "000000.jpg"], "make a video called ''"),
        (["p/a/b/000000.jpg", "q/b/000000.jpg", "r/a-b/000000.jpg"], "a video called 'a-b'"),
        (["s/x/b/000000.jpg", "t/x/b/000000.jpg"], "make a video called 'x-b'"),
    ],
)
def test_videos_of_the_same_name_are_not_lost(names, found, told, tmp_path):
    images = [image(name, number) for number, name in enumerate(names)]
    file = write(tmp_path / "all.json", content(*images))
    told(lambda: read_annotations(file, tmp_path), file, found)


@pytest.fixture
def linked(tmp_path):
    """Function (link, target) -> the video of a data set where one place is a link."""

    def make(link, target):
        root = tmp_path / "root"
        outside = tmp_path / "disk"
        video = outside / VIDEO
        video.mkdir(parents=True)
        for number in range(2):
            (video / f"{number:06d}.jpg").write_bytes(b"")
        folder = root / "images" / "val" / VIDEO
        place = tmp_path / link
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(tmp_path / target)
        if not folder.exists():
            folder.mkdir(parents=True, exist_ok=True)
        for number in range(2):
            if not os.path.lexists(folder / f"{number:06d}.jpg"):
                (folder / f"{number:06d}.jpg").write_bytes(b"")
        images = [image(f"images/val/{VIDEO}/{n:06d}.jpg", n) for n in range(2)]
        file = write(tmp_path / "a.json", content(*images, people=[person(0)]))
        (found,) = read_annotations(file, root)
        return found

    return make


LINKS_OUT = {
    "a split": ("root/images/val", "disk"),
    "a video": (f"root/images/val/{VIDEO}", f"disk/{VIDEO}"),
    "a frame": (f"root/images/val/{VIDEO}/000000.jpg", f"disk/{VIDEO}/000000.jpg"),
    "a neighbour": (f"root/images/val/{VIDEO}/000001.jpg", f"disk/{VIDEO}/000001.jpg"),
    "a frame, to a device": (f"root/images/val/{VIDEO}/000000.jpg", "/dev/zero"),
}
LINKS_INSIDE = {
    "the root": ("root", "elsewhere"),
    "images": ("root/images", "elsewhere"),
    "a frame, to another": (f"root/images/val/{VIDEO}/000001.jpg",
                            f"root/images/val/{VIDEO}/000000.jpg"),
}  # fmt: skip


@pytest.mark.parametrize("name", LINKS_OUT)
def test_links_that_lead_out(name, linked, told):
    video = linked(*LINKS_OUT[name])
    told(lambda: usable_frames(video, {0}, ClipOptions()), video.folder, "links lead to .*, out of")


@pytest.mark.parametrize("name", LINKS_INSIDE)
def test_links_that_people_make(name, linked, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    video = linked(*LINKS_INSIDE[name])
    assert usable_frames(video, {0}, ClipOptions()) == {0, 1}


def test_the_place_of_images_that_a_config_names_is_trusted(linked, told, tmp_path):
    linked("root/images/val", "disk")
    file = tmp_path / "a.json"
    (by_name,) = read_annotations(
        file, tmp_path / "root", image_folder=str(tmp_path / "root/images")
    )
    assert by_name.frames_on_disk() == {0, 1}
    (video,) = read_annotations(file, tmp_path / "root")
    told(video.frames_on_disk, video.folder, "links lead to")


def test_single_images_that_are_links(told, tmp_path):
    root, disk = tmp_path / "root", tmp_path / "disk"
    root.mkdir()
    disk.mkdir()
    (disk / "secret.jpg").write_bytes(b"")
    (root / "a.jpg").symlink_to(disk / "secret.jpg")
    (root / "folder").symlink_to(disk)
    for name, allowed in (("a.jpg", False), ("folder/secret.jpg", True)):
        people = [{**person(), "iscrowd": 0}]
        file = write(tmp_path / "c.json", content(image(name), people=people))
        (part,) = read_coco(file, root)
        if allowed:
            assert part.frames_on_disk() == {0}
        else:
            told(part.frames_on_disk, root / name, "links lead to")


def test_the_check_of_a_data_set_finds_links_and_names(linked, tmp_path):
    linked("root/images/val", "disk")
    images = [image(f"images/val/{VIDEO}/000000.jpg"), image("../../etc/000001.jpg", 2)]
    write(tmp_path / "root/annotations/val" / f"{VIDEO}.json", content(*images, people=[person()]))
    splits = [SplitFiles("val", tmp_path / "root/annotations/val")]
    report = check_data_set(tmp_path / "root", splits, CheckOptions())
    found = {finding.code: finding.line() for finding in report.problems}
    assert "links lead to" in found["missing-folder"]
    assert "leads out of the folder" in found["annotation-entry"]
