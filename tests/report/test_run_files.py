"""Run folders as the report reads them."""

import json

import pytest

from dcpose.report.run_files import read_run


@pytest.fixture
def run_dir(tmp_path):
    folder = tmp_path / "run"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "config.yaml").write_text("experiment: tiny\n")
    results = {"groups": {"Head": 1.0, "Total": 1.0}, "protocol": {"weights": "best.pt"}}
    (folder / "results.json").write_text(json.dumps(results))
    return folder


def test_reads_the_log_up_to_a_line_that_was_cut_off(run_dir):
    lines = ['{"kind": "train", "step": 5, "loss": 1.0}', '{"kind": "epoch", "step": 9, "AP": 2.0}']
    (run_dir / "log.jsonl").write_text("\n".join([*lines, '{"kind": "tra']))
    run = read_run(run_dir)
    assert run.name == "tiny"
    assert [line["step"] for line in run.steps] == [5]
    assert [line["AP"] for line in run.epochs] == [2.0]


def test_weights_are_those_of_the_protocol(run_dir):
    (run_dir / "checkpoints" / "last.pt").touch()
    assert read_run(run_dir).weights is None
    (run_dir / "checkpoints" / "best.pt").touch()
    assert read_run(run_dir).weights == run_dir / "checkpoints" / "best.pt"


def test_an_evaluation_may_lie_in_a_folder_of_the_run(run_dir):
    (run_dir / "val").mkdir()
    (run_dir / "results.json").rename(run_dir / "val" / "results.json")
    run = read_run(run_dir, "mine")
    assert (run.name, run.evaluation, run.folder) == ("mine", run_dir / "val", run_dir)
    assert run.predictions == run_dir / "val" / "predictions" / "val"


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("results.json", "{", r"results\.json: .*measure the run again"),
        ("results.json", "[]", r"results\.json: holds a list"),
        ("config.yaml", "[1", r"config\.yaml: line 1"),
        ("config.yaml", "7", r"config\.yaml: holds a int"),
    ],
)
def test_damaged_files_are_named(run_dir, file, content, message):
    (run_dir / file).write_text(content)
    with pytest.raises(ValueError, match=message):
        read_run(run_dir)


def test_a_run_without_results_says_what_to_do(run_dir):
    (run_dir / "results.json").unlink()
    with pytest.raises(ValueError, match=r"run tools/val\.py with --run-dir"):
        read_run(run_dir)
