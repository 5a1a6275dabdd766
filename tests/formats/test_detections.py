"""Files of detected boxes: both ways to name an image, what is left out, what is refused."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dcpose.formats.detections import describe_detector, read_detections
from dcpose.formats.posetrack.records import read_annotations

BOX = [10.5, 20, 30, 40]


@pytest.fixture
def videos(data_folder):
    for name in ("000001_test", "000002_test"):
        data_folder.write(name, images=[data_folder.image(name, n, 3) for n in range(3)])
    return data_folder.videos()


def read(data_folder, videos, entries, min_box_score=0.2):
    path = data_folder.root / "detections.json"
    path.write_text(json.dumps(entries))
    return read_detections(path, videos, min_box_score)


def entry(videos, video=0, frame=1, **changes):
    image_id = videos[video].images[frame]["id"]
    return {"image_id": image_id, "category_id": 1, "bbox": BOX, "score": 0.9} | changes


def named(entry, name):
    del entry["image_id"]
    return entry | {"image_name": name}


def test_real_detections(shared_dir):
    # counts: entries of the file per image_id with score >= 0.2
    root = shared_dir / "data/posetrack18_real"
    videos = read_annotations(root / "annotations/val", root)
    people, skipped = read_detections(root / "detections_coco_format.json", videos, 0.2)
    assert {name: len(boxes) for name, boxes in people.items()} == {
        "003418_mpii_test": 76, "009473_mpii_test": 35, "012834_mpii_test": 75
    }  # fmt: skip
    assert skipped == {"score under the threshold": 92}


def test_record_of_a_detection(data_folder, videos):
    people, skipped = read(data_folder, videos, [entry(videos, video=1, frame=2)])
    assert people["000001_test"] == []
    (person,) = people["000002_test"]
    assert (person.video, person.frame, person.box_score) == ("000002_test", 2, 0.9)
    assert person.image_id == videos[1].images[2]["id"]
    assert person.box_xywh.tolist() == BOX
    assert person.joints is None
    assert not skipped


@pytest.mark.parametrize("prefix", ["images/", "", "./images/"])
def test_images_by_name(data_folder, videos, prefix):
    entries = [named(entry(videos), f"{prefix}val/000002_test/000001.jpg")]
    people, _ = read(data_folder, videos, entries)
    assert [person.frame for person in people["000002_test"]] == [1]


def test_threshold_is_inclusive(data_folder, videos):
    entries = [entry(videos, score=score) for score in (0.1999, 0.2, 0.2001)]
    people, skipped = read(data_folder, videos, entries)
    assert [person.box_score for person in people["000001_test"]] == [0.2, 0.2001]
    assert skipped == {"score under the threshold": 1}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"category_id": 3}, "category other than person"),
        ({"category_id": 0}, "category_id 0, expected 1 for people"),
        ({"category_id": "person"}, "category_id 'person', expected 1 for people"),
        ({"bbox": [10, 10, 0, 5]}, "box without area"),
        ({"bbox": [10, 121, 5, 5]}, "box outside the image"),
        ({"image_id": 123}, "image of another video"),
    ],
)
def test_entries_left_out(data_folder, videos, changes, reason):
    people, skipped = read(data_folder, videos, [entry(videos), entry(videos, **changes)])
    assert len(people["000001_test"]) == 1
    assert skipped == {reason: 1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bbox": [1, 2, 3]}, "bbox must hold 4 numbers"),
        ({"bbox": [1, 2, None, 4]}, r"bbox\[2\] must be a finite number, found null"),
        ({"bbox": [1, 2, float("nan"), 4]}, r"bbox\[2\] must be a finite number"),
        ({"bbox": 5}, "bbox must be a list"),
        ({"score": "high"}, "score must be a finite number, found text 'high'"),
        ({"score": float("nan")}, "score must be a finite number"),
        ({"image_id": 1.5}, "image_id must be a whole number"),
    ],
)
def test_broken_entry(data_folder, videos, changes, message):
    with pytest.raises(ValueError, match=rf"detections\.json: entry 1: {message}"):
        read(data_folder, videos, [entry(videos), entry(videos, **changes)])


@pytest.mark.parametrize("key", ["bbox", "score", "image_id"])
def test_entry_without_a_key(data_folder, videos, key):
    spoilt = entry(videos)
    del spoilt[key]
    with pytest.raises(ValueError, match=rf"entry 0: .*{key}"):
        read(data_folder, videos, [spoilt])


@pytest.mark.parametrize("entries", [[3], [None], [[]]])
def test_entry_that_is_no_object(data_folder, videos, entries):
    with pytest.raises(ValueError, match="entry 0: expected an object"):
        read(data_folder, videos, entries)


def test_boxes_of_other_videos_only(data_folder, videos):
    with pytest.raises(ValueError, match="none of the 1 boxes belongs to the 2 annotated videos"):
        read(data_folder, videos, [named(entry(videos), "val/000003_test/000001.jpg")])


@pytest.mark.parametrize("boxes", ["centres", "parts of the image"])
def test_another_convention_is_warned_of(data_folder, caplog, boxes):
    data_folder.add_video("000003_test", num_frames=6)
    videos = data_folder.videos()
    entries = [entry(videos, frame=n) for n in range(6)]
    for item in entries:
        item["bbox"] = [36, 16, 40, 72]
    read(data_folder, videos, entries)
    assert not [record for record in caplog.records if record.levelname == "WARNING"]
    for item in entries:
        item["bbox"] = [56, 52, 40, 72] if boxes == "centres" else [0.2, 0.1, 0.2, 0.6]
    read(data_folder, videos, entries)
    (line,) = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert ("read as centre" if boxes == "centres" else "reaches 2 pixels") in line


def test_empty_list_is_a_file_without_people(data_folder, videos):
    people, _ = read(data_folder, videos, [])
    assert people == {"000001_test": [], "000002_test": []}


def test_file_that_is_no_list(data_folder, videos):
    with pytest.raises(ValueError, match="expected a list of boxes, found an object"):
        read(data_folder, videos, {"annotations": []})


def test_ambiguous_image_id(data_folder, videos):
    videos[1].images[0]["id"] = videos[0].images[0]["id"]
    with pytest.raises(ValueError, match="several annotated videos have an image"):
        read(data_folder, videos, [entry(videos, frame=0)])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    key=st.sampled_from(["image_id", "image_name", "category_id", "bbox", "score"]), data=st.data()
)
def test_spoilt_entries_are_read_or_refused_by_name(data_folder, key, data):
    name = "000001_test"
    data_folder.write(name, images=[data_folder.image(name, n, 3) for n in range(3)])
    videos = data_folder.videos()
    entries = [entry(videos), entry(videos, **{key: data.draw(json_values)})]
    try:
        people, skipped = read(data_folder, videos, entries)
    except ValueError as error:
        assert "detections.json: entry 1" in str(error)  # noqa: PT017 - a result is fine too
    else:
        assert len(people[name]) + skipped.total() == 2


def test_settings_beside_the_file_name_the_detector(tmp_path):
    path = tmp_path / "boxes.json"
    assert describe_detector(path) == ""
    (tmp_path / "boxes.meta.json").write_text('{"detector": "stub", "nms_iou": 0.5}')
    assert describe_detector(path) == "stub, NMS 0.5"
    (tmp_path / "boxes.meta.json").write_text("{}")
    with pytest.raises(ValueError, match=r"boxes\.meta\.json: detector is missing"):
        describe_detector(path)
