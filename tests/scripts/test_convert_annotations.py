"""The command line that converts files."""

import json

import pytest

from dcpose.skeleton import POSETRACK

VIDEO = "000342_mpii_test"


@pytest.fixture
def convert(load_command):
    return load_command("scripts/convert_annotations.py").main


@pytest.fixture
def folder(tmp_path):
    """A folder with one video of one frame with one person."""
    image = {"id": 10003420000, "file_name": f"images/val/{VIDEO}/000000.jpg"}
    person = {
        "image_id": image["id"], "id": 1, "track_id": 0, "score": 0.5, "bbox": [0, 0, 5, 5],
        "bbox_head": [1, 2, 3, 4], "keypoints": [5, 6, 0.5] * 17, "scores": [0.5] * 17,
    }  # fmt: skip
    category = {"id": 1, "name": "person", "keypoints": list(POSETRACK.joint_names)}
    content = {"images": [image], "annotations": [person], "categories": [category]}
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / f"{VIDEO}.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize("what", ["annotations", "predictions"])
def test_there_and_back(convert, folder, tmp_path, capsys, what):
    there, back = tmp_path / "there", tmp_path / "back"
    assert convert(["--what", what, "--to", "posetrack17", str(folder), str(there)]) == 0
    assert "2 x ear" in capsys.readouterr().out
    assert convert(["--what", what, "--to", "posetrack18", str(there), str(back)]) == 0
    assert "nothing left out" in capsys.readouterr().out
    (person,) = json.loads((back / f"{VIDEO}.json").read_text())["annotations"]
    assert person["keypoints"][:3] == [5, 6, 0.5]


def test_predictions_to_coco(convert, folder, tmp_path, capsys):
    out = tmp_path / "results.json"
    assert convert(["--what", "predictions", "--to", "coco", str(folder), str(out)]) == 0
    assert "1 x joint head_top" in capsys.readouterr().out
    (person,) = json.loads(out.read_text())
    assert person["image_id"] == 10003420000
    assert person["score"] == pytest.approx(0.5)  # all peaks are 0.5 / 0.5 = 1, the box 0.5


def test_detections_by_id_and_by_name(convert, folder, tmp_path, capsys):
    box = {"category_id": 1, "bbox": [1, 2, 3, 4], "score": 1}
    boxes = [{"image_name": f"val/{VIDEO}/{frame}.jpg", **box} for frame in ("000000", "000009")]
    source, by_id, by_name = (tmp_path / f"{n}.json" for n in ("boxes", "by_id", "by_name"))
    source.write_text(json.dumps(boxes))
    rest = ["--what", "detections", "--annotations", str(folder)]
    assert convert([*rest, "--to", "coco", str(source), str(by_id)]) == 0
    assert "1 x image of another video" in capsys.readouterr().out
    assert json.loads(by_id.read_text()) == [
        {"image_id": 10003420000, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 1}
    ]
    assert convert([*rest, "--to", "image_names", str(by_id), str(by_name)]) == 0
    (box,) = json.loads(by_name.read_text())
    assert box["image_name"] == f"images/val/{VIDEO}/000000.jpg"


def test_combinations_without_meaning(convert, folder, tmp_path, capsys):
    with pytest.raises(SystemExit):
        convert(["--to", "coco", str(folder), str(tmp_path / "x")])
    assert "--what annotations goes with" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        convert(["--what", "detections", "--to", "coco", str(folder), str(tmp_path / "x")])
    assert "--annotations DIR is needed" in capsys.readouterr().err
    assert convert(["--to", "posetrack17", str(folder), str(folder)]) == 2
    assert "choose another folder" in capsys.readouterr().err
