"""Labels for the neighbours of labelled frames."""

import json

import numpy as np
import pytest
import torch

from dcpose import build_model, load_config
from dcpose.data.carried import Carried
from dcpose.formats.posetrack.records import read_annotations
from dcpose.jobs.propagate import choose_threshold
from dcpose.structures import PersonRecord, PosePrediction


def _known(distances, scores):
    """One person whose joints lie so far from their labels; its box is 100 px long."""
    person = PersonRecord("a", 1, 0, np.array([0, 0, 100.0, 50]))
    count = len(distances)
    truth = np.column_stack([np.full((count, 2), 20.0), np.ones(count)])
    joints = truth[:, :2] + np.array(distances)[:, None] * [1.0, 0.0]
    carried = Carried(None, person, person, truth)
    return [carried], [PosePrediction(person, joints, np.array(scores))]


def test_the_threshold_is_the_lowest_that_is_right_often_enough():
    # right within 10 px: by falling score right, right, wrong, right, right, ... then all wrong
    distances = [0, 10, 10.1, 3, 3, *[50] * 95]
    scores = [0.9, 0.8, 0.7, 0.6, 0.5, *np.linspace(0.4, 0.1, 95)]
    known, poses = _known(distances, scores)
    chosen = choose_threshold(known, poses, 0.75)
    assert (chosen.score, chosen.num_joints) == (0.5, 100)
    assert (chosen.precision, chosen.recall) == (0.8, 0.04)
    assert choose_threshold(known, poses, 0.9).score == 0.8
    given = choose_threshold(known, poses, 0.9, min_score=0.65)
    assert (given.score, given.precision, given.recall) == (0.65, 2 / 3, 0.02)


def test_too_little_to_choose_by():
    with pytest.raises(ValueError, match="5 joints of val have labels"):
        choose_threshold(*_known([0] * 5, [1] * 5), 0.9)
    with pytest.raises(ValueError, match=r"no score is right in 90% .* \(the best ones in 0%\)"):
        choose_threshold(*_known([30] * 100, np.linspace(0, 1, 100)), 0.9)


@pytest.fixture
def command(load_command):
    return load_command("scripts/propagate_labels.py").main


@pytest.fixture
def sparse(data_folder, tmp_path):
    """Config arguments for a data set with labels in two of nine frames; val is the same."""
    data_folder.add_video("000001_mpii_a", num_frames=9, people=2, labelled={2, 6})
    return [
        f"data.root={tmp_path}", "data.train_annotations=annotations",
        "data.val_annotations=annotations", "data.val_detections=null",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["dcpose", "posewarper"])
def test_a_data_set_gets_labels(
    command, sparse, tiny_cfg, formula_weights, tmp_path, capsys, name, data_folder
):
    model = [f"model.name={name}"]
    cfg = load_config(tiny_cfg, model)
    state = build_model(cfg).state_dict()
    weights = tmp_path / "w.pth"
    torch.save(formula_weights({key: tensor.shape for key, tensor in state.items()}, 0), weights)
    arguments = ["--cfg", str(tiny_cfg), "--weights", str(weights), "--device", "cpu"]
    arguments += [*sparse, *model, "--out", "extra"]
    assert command([*arguments, "--min-score", "0", "--reach", "1"]) == 0
    printed = capsys.readouterr().out
    assert "4 frames got labels: 8 people" in printed
    assert "nothing was measured" in printed
    (video,) = read_annotations(tmp_path / "extra", tmp_path)
    assert [(p.frame, p.track_id) for p in video.people] == [
        (frame, track) for frame in (1, 3, 5, 7) for track in (0, 1)
    ]
    content = json.loads((tmp_path / "extra" / "000001_mpii_a.json").read_text())
    source = content["annotations"][0]["source"]
    assert source.endswith("from frame 2")
    assert name in source.lower()
    # ids are those that the frames would have had in the file
    (original,) = data_folder.videos()
    ids = {image["id"] for image in original.images}
    assert {image["id"] for image in content["images"]} < ids
    assert "data.sets=[{root: " in printed
    # what is there already stays
    assert command([*arguments, "--min-score", "0"]) == 2
    assert "holds something already" in capsys.readouterr().err


def test_errors_are_one_line(command, sparse, tiny_cfg, tiny_weights, capsys, tmp_path):
    arguments = ["--cfg", str(tiny_cfg), "--weights", str(tiny_weights), "--device", "cpu"]
    for more, message in (
        (["--reach", "0"], "expected a reach of at least 1"),
        (["--reach", "1"], "0 joints of val have labels"),
    ):
        assert command([*arguments, *sparse, *more]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("error:") == 1
    assert not (tmp_path / "annotations" / "propagated").exists()
