"""scripts/probe.py on the sample: a model that looks, one that cannot, one blind to order."""

import json

import pytest
import torch
import yaml

from dcpose import build_model, load_config

VIT = {"name": "vit", "width": 16, "depth": 1, "heads": 2, "decoder": "simple", "frozen": False}
MODELS = {
    "dcpose": {},
    "single_frame": {"model": {"name": "single_frame"}},
    "tar": {"model": {"name": "tar", "backbone": VIT, "jta": {"layers": 1, "heads": 2}}},
    "tar_release": {
        "model": {"name": "tar", "backbone": VIT, "jta": {"layers": 1, "heads": 2},
                  "token_order": "release"},
    },
}  # fmt: skip


@pytest.fixture
def probe(load_command, run_here, tiny_cfg, formula_weights, capsys):
    """Function (model, overrides) -> lines of the table, and the sentence."""

    def run(name, *overrides):
        (run_here / "own.yaml").write_text(
            yaml.safe_dump({"base": str(tiny_cfg), "experiment": name, **MODELS[name]})
        )
        state = build_model(load_config("own.yaml", overrides)).state_dict()
        weights = formula_weights({key: tensor.shape for key, tensor in state.items()}, 0)
        torch.save(weights, "weights.pth")
        arguments = ["--cfg", "own.yaml", "--weights", "weights.pth", "--device", "cpu"]
        main = load_command("scripts/probe.py").main
        assert main([*arguments, "--out", "out", *overrides]) == 0
        table, said, _ = (run_here / "out" / "table.md").read_text().rsplit("\n\n", 2)
        assert said in capsys.readouterr().out
        return [line.strip("| ").split(" | ") for line in table.splitlines()[2:]], said

    return run


def test_single_frame(probe):
    rows, said = probe("single_frame")
    assert said.startswith("single_frame does not look at neighbours")
    assert [row[-1] for row in rows[1:]] == ["0.0 %"] * 3
    assert len({tuple(row[3:-1]) for row in rows[1:]}) == 1


def test_dcpose(probe, run_here):
    rows, said = probe("dcpose", "data.max_gap=2")
    assert said.startswith("dcpose looks at neighbours: neighbours are worth")
    assert all(float(row[-1].split()[0]) > 1 for row in rows[1:])
    protocol = json.loads((run_here / "out/reversed/results.json").read_text())["protocol"]
    assert protocol["neighbors"] == "reversed"
    assert "neighbours: other video" in (run_here / "out/other_video/results.md").read_text()


def test_tar_does_not_know_the_order_of_frames(probe):
    rows, said = probe("tar")
    assert "looks at neighbours" in said
    assert "reversing their order changes nothing" in said
    current, backward, other = (float(row[-1].split()[0]) for row in rows[1:])
    assert backward <= 0.1 < min(current, other)
    _, said = probe("tar_release")
    assert "reversing their order changes AP by" in said


def test_weights_are_asked_for(load_command, tiny_cfg, capsys):
    assert load_command("scripts/probe.py").main(["--cfg", str(tiny_cfg)]) == 2
    assert "--weights is missing" in capsys.readouterr().err
