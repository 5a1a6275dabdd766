"""Every form of results holds what the JSON holds, read back as its readers would."""

import csv
import json
import sys
from types import ModuleType

import numpy as np
import pytest

from dcpose.formats.results.video_results import read_results
from dcpose.formats.results.writing import RESULT_FORMS, write_results_as

JOINTS = ("nose", "tail")


def _person(image_id, track_id, joints, scores, **more):
    row = [value for (x, y), s in zip(joints, scores, strict=True) for value in (x, y, s)]
    return {
        "image_id": image_id, "id": 1, "track_id": track_id, "category_id": 1, "score": 0.9,
        "bbox": [1.0, 2, 30, 40], "keypoints": row, "scores": scores, **more,
    }  # fmt: skip


@pytest.fixture
def content():
    """Three frames; the second is empty, in the third are two people."""
    images = [
        {"id": n, "file_name": f"clip/{n:06d}.jpg", "time": n / 25, "width": 64, "height": 48}
        for n in range(3)
    ]
    people = [
        _person(2, 7, [(5.5, 6), (7, 8)], [0.25, 1.0]),
        _person(0, 3, [(1.25, 2), (3, 4)], [0.5, 0.75]),
        _person(2, 3, [(10, 20), (30, 40)], [0.5, 0.0]),
    ]
    categories = [{"id": 1, "name": "person", "keypoints": list(JOINTS)}]
    return {"images": images, "annotations": people, "categories": categories}


@pytest.fixture
def write(tmp_path, content):
    """Function form -> the path of the poses in that form."""

    def write(form, video=None):
        path = tmp_path / "clip.json"
        path.write_text(json.dumps(content))
        return write_results_as(path, form, video)

    return write


def test_reading(write):
    results = read_results(write("json"))
    assert results.joint_names == JOINTS
    assert results.frame_of.tolist() == [0, 2, 2]
    assert results.track_ids.tolist() == [3, 7, 3]
    assert results.times.tolist() == [0, 0.04, 0.08]
    assert results.image_wh == (64, 48)
    assert list(results.people_of_frame(1)) == []
    assert list(results.people_of_frame(2)) == [1, 2]
    assert results.probabilities is None


def test_frames_of_val_count_as_their_names_do(write, content):
    for image, name in zip(content["images"], (4, 9, 30), strict=True):
        del image["time"]
        image["file_name"] = f"images/val/a/{name:06d}.jpg"
        image["id"] += 10**10
    for person in content["annotations"]:
        person["image_id"] += 10**10
    assert read_results(write("json")).frame_numbers.tolist() == [4, 9, 30]


def test_csv(write, content):
    with write("csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    assert rows[0] == {
        "frame": "0", "time": "0.0", "id": "3", "joint": "nose", "x": "1.25", "y": "2.0",
        "score": "0.5",
    }  # fmt: skip
    assert [row["id"] for row in rows] == ["3", "3", "7", "7", "3", "3"]
    for person in content["annotations"]:
        person["probabilities"] = [0.125, 1.0]
    with write("csv").open() as file:
        assert next(csv.DictReader(file))["probability"] == "0.125"


def test_csv_reads_in_pandas(write):
    pandas = pytest.importorskip("pandas")
    table = pandas.read_csv(write("csv"))
    assert table.groupby(["id", "joint"]).x.mean()[3, "nose"] == (1.25 + 10) / 2


def test_parquet_holds_the_same_table(write):
    pytest.importorskip("pyarrow", reason="needs pyarrow")
    from pyarrow import parquet

    table = parquet.read_table(write("parquet")).to_pydict()
    assert table["joint"] == list(JOINTS) * 3
    assert table["x"] == [1.25, 3, 5.5, 7, 10, 30]
    assert table["frame"] == [0, 0, 2, 2, 2, 2]


@pytest.mark.parametrize(
    ("form", "package", "extra"),
    [
        ("parquet", "pyarrow", "parquet"),
        ("deeplabcut-h5", "tables", "deeplabcut"),
        ("sleap", "sleap_io", "labels"),
        ("nwb", "pynwb", "labels"),
    ],
)
def test_a_missing_package_gives_one_line(write, monkeypatch, form, package, extra):
    monkeypatch.setitem(sys.modules, "pandas", sys.modules.get("pandas") or ModuleType("pandas"))
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ValueError, match=rf"pip install -U 'dcpose\[{extra}\]'") as caught:
        write(form)
    assert "\n" not in str(caught.value)


def test_openpose(write):
    folder = write("openpose")
    names = sorted(path.name for path in folder.glob("*_keypoints.json"))
    assert names[0] == "clip_000000000000_keypoints.json"
    frames = [json.loads((folder / name).read_text()) for name in names]
    assert [len(frame["people"]) for frame in frames] == [1, 0, 2]
    assert frames[2]["people"][0]["person_id"] == [7]
    assert frames[2]["people"][0]["pose_keypoints_2d"] == [5.5, 6, 0.25, 7, 8, 1]
    assert frames[0]["version"] == 1.3
    assert json.loads((folder / "joints.json").read_text()) == list(JOINTS)


def test_alphapose(write):
    people = json.loads(write("alphapose").read_text())
    assert [person["image_id"] for person in people] == ["000000.jpg", "000002.jpg", "000002.jpg"]
    assert people[1]["idx"] == 7
    assert people[1]["box"] == [1, 2, 30, 40]
    assert people[1]["keypoints"] == [5.5, 6, 0.25, 7, 8, 1]
    assert people[1]["score"] == pytest.approx(0.625)


def test_coco(write):
    people = json.loads(write("coco").read_text())
    assert [(person["image_id"], person["track_id"]) for person in people] == [
        (0, 3), (2, 7), (2, 3),
    ]  # fmt: skip
    assert people[0]["keypoints"] == [1.25, 2, 0.5, 3, 4, 0.75]


def test_deeplabcut(write):
    with write("deeplabcut").open() as file:
        rows = list(csv.reader(file))
    assert [row[0] for row in rows] == [
        "scorer",
        "individuals",
        "bodyparts",
        "coords",
        "0",
        "1",
        "2",
    ]
    head = list(zip(*rows[1:4], strict=True))
    nose = head.index(("id7", "nose", "likelihood"))
    assert rows[6][nose] == "0.25"
    assert rows[4][nose] == ""
    assert set(rows[5][1:]) == {""}


def test_deeplabcut_of_one_animal_has_no_individuals(write, content):
    content["annotations"].pop(0)
    with write("deeplabcut").open() as file:
        rows = list(csv.reader(file))
    assert [row[0] for row in rows[:3]] == ["scorer", "bodyparts", "coords"]
    assert rows[0][1] == "dcpose"
    assert rows[3] == ["0", "1.25", "2.0", "0.5", "3.0", "4.0", "0.75"]


def test_deeplabcut_reads_in_sleap_io(write):
    sio = pytest.importorskip("sleap_io", reason="needs the extra 'labels'")
    labels = sio.load_dlc(str(write("deeplabcut")))
    assert [node.name for node in labels.skeletons[0].nodes] == list(JOINTS)


def test_deeplabcut_h5_holds_the_table_of_the_csv(write):
    pandas = pytest.importorskip("pandas", reason="needs the extra 'deeplabcut'")
    pytest.importorskip("tables", reason="needs the extra 'deeplabcut'")
    table = pandas.read_hdf(write("deeplabcut-h5"))
    assert table.columns.names == ["scorer", "individuals", "bodyparts", "coords"]
    assert table.loc[2, ("dcpose", "id7", "nose", "likelihood")] == 0.25
    as_csv = pandas.read_csv(write("deeplabcut"), header=[0, 1, 2, 3], index_col=0)
    pandas.testing.assert_frame_equal(table, as_csv, check_names=False, check_column_type=False)


def test_nwb(write):
    pynwb = pytest.importorskip("pynwb", reason="needs the extra 'labels'")
    pytest.importorskip("ndx_pose", reason="needs the extra 'labels'")
    with pynwb.NWBHDF5IO(str(write("nwb")), "r") as io:
        module = io.read().processing["behavior"]
        assert set(module.data_interfaces) == {"Skeletons", "id3", "id7"}
        assert module["id3"].skeleton.nodes[:].tolist() == list(JOINTS)
        nose = module["id3"]["nose"]
        assert nose.data[:].tolist() == [[1.25, 2], [10, 20]]
        assert nose.confidence[:].tolist() == [0.5, 0.5]
        assert nose.timestamps[:].tolist() == [0, 0.08]
        assert module["id7"]["tail"].data[:].tolist() == [[7, 8]]


def test_nwb_needs_times(write, content):
    pytest.importorskip("ndx_pose", reason="needs the extra 'labels'")
    del content["images"][1]["time"]
    with pytest.raises(ValueError, match=r"clip\.nwb: NWB needs the times of frames"):
        write("nwb")


def test_sleap(write, tmp_path):
    sio = pytest.importorskip("sleap_io", reason="needs the extra 'labels'")
    labels = sio.load_file(str(write("sleap", tmp_path / "clip.mp4")))
    frames = {frame.frame_idx: frame for frame in labels.labeled_frames}
    instances = [i for i in frames[2].instances if i.track is None or i.track.name == "id7"]
    points = np.array([instance.numpy() for instance in instances])
    assert (np.abs(points - [[5.5, 6], [7, 8]]).max(axis=(1, 2)) < 1e-3).any()


def test_an_empty_video_gives_empty_tables(write, content):
    content["annotations"] = []
    assert write("csv").read_text() == "frame,time,id,joint,x,y,score\n"
    assert json.loads(write("alphapose").read_text()) == []
    assert len(write("deeplabcut").read_text().splitlines()) == 6
    assert len(list(write("openpose").glob("*_keypoints.json"))) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["annotations"][1].update(image_id=99), r"annotations\[1\].*no image"),
        (lambda c: c["annotations"][0].pop("scores"), r"annotations\[0\]: scores is missing"),
        (lambda c: c["annotations"][0].update(keypoints=[1]), "must hold 6 numbers, found 1"),
        (lambda c: c["images"][1].update(id=0), "id 0 occurs twice"),
        (lambda c: c["categories"].clear(), "categories: found 0, expected one"),
    ],
)
def test_malformed_files(write, content, change, message):
    change(content)
    with pytest.raises(ValueError, match=message):
        write("csv")


def test_unknown_forms_are_named(write):
    with pytest.raises(ValueError, match="expected one of json, csv"):
        write("bvh")
    assert RESULT_FORMS[0] == "json"
