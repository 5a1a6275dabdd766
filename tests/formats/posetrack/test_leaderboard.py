"""Leaderboard files and their check."""

import json
import zipfile

import numpy as np
import pytest

from dcpose.evaluation.evaluator import evaluate_folders
from dcpose.formats.posetrack.leaderboard import check_submission, export_submission

SCORES = np.linspace(0.1, 0.9, 17).tolist()


@pytest.fixture
def folders(build, write, tmp_path):
    """Annotations (images only for b.json) and predictions of two videos of two frames."""
    annotated = [build.person18(0, 0, build.joint_column(), bbox_head=build.HEAD)]
    write("gt/a.json", build.video18(annotated))
    images_only = build.video18([])
    del images_only["annotations"]
    write("gt/b.json", images_only)
    predicted = [build.person18(0, 0, build.joint_column(3), SCORES, score=0.5)]
    write("pred/a.json", build.video18(predicted))
    write("pred/b.json", build.video18([build.person18(1, 0, build.joint_column(), SCORES)]))
    return tmp_path / "gt", tmp_path / "pred", tmp_path / "out"


def change(path, edit):
    """Edit the JSON of a file in place and bring the zip along."""
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))
    with zipfile.ZipFile(path.parent / "submission.zip", "w") as archive:
        for file in sorted(path.parent.glob("*.json")):
            archive.write(file, file.name)


@pytest.mark.parametrize("form", ["posetrack18", "posetrack17"])
def test_exported_files_pass_the_check(folders, form):
    annotations, predictions, out = folders
    zip_path = export_submission(predictions, out, form)
    assert sorted(path.name for path in out.iterdir()) == ["a.json", "b.json", "submission.zip"]
    with zipfile.ZipFile(zip_path) as archive:
        assert archive.namelist() == ["a.json", "b.json"]
        assert archive.read("a.json") == (out / "a.json").read_bytes()
    assert ("annolist" in json.loads((out / "a.json").read_text())) == (form == "posetrack17")
    assert check_submission(out, annotations) == []


def test_ap_does_not_depend_on_the_form(folders):
    annotations, predictions, out = folders
    (annotations / "b.json").unlink()
    ap = evaluate_folders(annotations, predictions).ap
    assert (ap == 100).all()
    for form in ("posetrack17", "posetrack18"):
        export_submission(predictions, out / form, form)
        np.testing.assert_array_equal(evaluate_folders(annotations, out / form).ap, ap)
    # and back from 2017 files
    export_submission(out / "posetrack17", out / "back", "posetrack18")
    np.testing.assert_array_equal(evaluate_folders(annotations, out / "back").ap, ap)


def test_exporting_again_gives_the_same_bytes(folders):
    _, predictions, out = folders
    before = export_submission(predictions, out).read_bytes()
    assert export_submission(predictions, out).read_bytes() == before


def test_export_refuses_its_own_source_and_empty_folders(folders, tmp_path):
    _, predictions, out = folders
    with pytest.raises(ValueError, match="choose another folder"):
        export_submission(predictions, predictions)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="nothing to convert"):
        export_submission(tmp_path / "empty", out)


def test_export_refuses_nan(folders):
    _, predictions, out = folders
    text = (predictions / "b.json").read_text()
    (predictions / "b.json").write_text(text.replace("100.0", "NaN", 1))
    with pytest.raises(ValueError, match=r"b\.json: holds NaN"):
        export_submission(predictions, out)
    assert not (out / "submission.zip").exists()


def no_track(content):
    del content["annotations"][0]["track_id"]


def same_track(content):
    content["annotations"].append(dict(content["annotations"][0]))


def large_track(content):
    content["annotations"][0]["track_id"] = 10000


def negative_track(content):
    content["annotations"][0]["track_id"] = -1


def few_scores(content):
    content["annotations"][0]["scores"].pop()


def many_scores(content):
    content["annotations"][0]["scores"].append(0.5)


def no_scores(content):
    content["annotations"][0]["scores"] = []


def infinite_score(content):
    content["annotations"][0]["scores"][0] = float("inf")


def nan_coordinate(content):
    content["annotations"][0]["keypoints"][0] = float("nan")


def fewer_frames(content):
    content["images"].pop()


def other_order(content):
    content["images"].reverse()


def other_video(content):
    for image in content["images"]:
        image["file_name"] = image["file_name"].replace("000342", "000343")


def other_names(content):
    content["categories"][0]["keypoints"][1] = "neck"


def unknown_image(content):
    content["annotations"][0]["image_id"] += 77


def bad_file_name(content):
    content["images"][0]["file_name"] = "images/000000.jpg"


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (no_track, "no track_id"), (same_track, "already used"), (large_track, "track_id 10000"),
        (negative_track, "negative track_id"), (few_scores, "'scores' has 16 entries"),
        (many_scores, "more scores than joints"), (no_scores, "have no score"),
        (infinite_score, "scores are not finite"), (nan_coordinate, "coordinates that are not"),
        (fewer_frames, "1 frames, expected the 2"), (other_order, "frame 0"),
        (other_video, "000343_mpii_test/000000.jpg, expected"), (other_names, "head_bottom"),
        (unknown_image, "unknown image ids"), (bad_file_name, "does not follow"),
    ],
)  # fmt: skip
def test_check_finds(folders, damage, words):
    annotations, predictions, out = folders
    export_submission(predictions, out)
    change(out / "a.json", damage)
    problems = check_submission(out, annotations)
    assert [p for p in problems if words in p], problems
    assert all(p.startswith(str(out / "a.json")) and "\n" not in p for p in problems)


def test_check_finds_2017_names_that_tell_no_frame(folders):
    annotations, predictions, out = folders
    export_submission(predictions, out, "posetrack17")
    change(out / "a.json", lambda content: content["annolist"][1].pop("image"))
    (problem,) = check_submission(out, annotations)
    assert "annolist[1]" in problem


def test_check_finds_missing_and_surplus_files(folders):
    annotations, predictions, out = folders
    export_submission(predictions, out)
    (out / "b.json").rename(out / "c.json")
    problems = "\n".join(check_submission(out, annotations))
    assert f"{out / 'b.json'}: missing" in problems
    assert f"{out / 'c.json'}: there is no annotation file" in problems
    assert "submission.zip: holds b.json" in problems
    assert "submission.zip: lacks c.json" in problems


def flip_packed_bytes(data):
    at = data.index(b"a.json") + 20
    return data[:at] + bytes(byte ^ 0x5A for byte in data[at : at + 40]) + data[at + 40 :]


def unknown_method(data):
    for mark, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        at = data.index(mark) + offset
        data = data[:at] + b"\x63\0" + data[at + 2 :]
    return data


def encrypted(data):
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.index(mark) + offset
        data = data[:at] + b"\x01\0" + data[at + 2 :]
    return data


@pytest.mark.parametrize(
    "damage",
    [flip_packed_bytes, unknown_method, encrypted, lambda data: data[:-30], lambda data: b""],
)
def test_damaged_zips_are_one_line(folders, damage):
    annotations, predictions, out = folders
    zip_path = export_submission(predictions, out)
    zip_path.write_bytes(damage(zip_path.read_bytes()))
    (problem,) = check_submission(out, annotations)
    assert problem.startswith(f"{zip_path}: ")
    assert problem.endswith("; export again")
    assert "\n" not in problem


def test_a_zip_that_announces_more_than_the_folder_holds_is_not_unpacked(folders, monkeypatch):
    annotations, predictions, out = folders
    zip_path = export_submission(predictions, out)
    with zipfile.ZipFile(zip_path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.json", bytes(10_000_000))
        archive.write(out / "b.json", "b.json")
    monkeypatch.setattr(zipfile.ZipFile, "testzip", lambda self: pytest.fail("unpacked"))
    assert ["a.json differs" in p for p in check_submission(out, annotations)] == [True]


def test_check_finds_bad_zips(folders):
    annotations, predictions, out = folders
    zip_path = export_submission(predictions, out)
    (out / "a.json").write_text((out / "a.json").read_text() + " ")
    assert ["a.json differs" in p for p in check_submission(out, annotations)] == [True]
    zip_path.write_bytes(b"no zip")
    assert ["cannot be read" in p for p in check_submission(out, annotations)] == [True]
    zip_path.unlink()
    assert ["missing; export again" in p for p in check_submission(out, annotations)] == [True]


def test_check_needs_its_folders(folders):
    annotations, _, out = folders
    with pytest.raises(ValueError, match="no such folder"):
        check_submission(out, annotations)
