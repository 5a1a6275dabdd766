"""The made-up data set that the suites measure on."""

from benchmarks.evaluation_set import SetSize, write_evaluation_set, write_frames
from dcpose.data.frames import read_frame
from dcpose.evaluation.evaluator import evaluate_folders

SIZE = SetSize(2, 5)


def test_the_set_depends_on_the_seed_only(tmp_path, caplog):
    for name, seed in (("first", 0), ("again", 0), ("other", 1)):
        write_evaluation_set(tmp_path / name, SIZE, seed)
    files = {path.relative_to(tmp_path / "first") for path in (tmp_path / "first").rglob("*.json")}
    assert len(files) == 4
    for file in files:
        first = (tmp_path / "first" / file).read_bytes()
        assert (tmp_path / "again" / file).read_bytes() == first
        assert (tmp_path / "other" / file).read_bytes() != first

    result = evaluate_folders(
        tmp_path / "first" / "annotations", tmp_path / "first" / "predictions"
    )
    assert result.num_frames == 10
    assert 5 < result.total < 95
    assert caplog.text == ""


def test_frames_are_what_the_set_lists(tmp_path):
    write_evaluation_set(tmp_path, SIZE)
    write_frames(tmp_path)
    frames = sorted((tmp_path / "images").rglob("*.jpg"))
    assert len(frames) == 10
    assert read_frame(frames[-1]).shape == (360, 640, 3)
