"""Several checkpoints become one packed file."""

import pytest
import torch
from safetensors.torch import load_file

import dcpose
from dcpose.config.loading import config_to_dict
from dcpose.engine.run.checkpoint import FORMAT

FACTS = "scripts/packaged_facts.yaml"


@pytest.fixture
def checkpoint(tiny_cfg, tmp_path):
    """Function (name, weight, overrides) -> path of a checkpoint of a network of two weights."""

    def write(name, weight, *overrides):
        keys = ["ema", "optimizer", "scheduler", "scaler", "best_ap", "rng", "versions"]
        state = {"weight": torch.full((2,), weight), "num_batches_tracked": torch.tensor(7)}
        config = config_to_dict(dcpose.load_config(tiny_cfg, overrides))
        content = {"format": FORMAT, **dict.fromkeys(keys), "epoch": 1, "step": 3}
        torch.save({**content, "model": state, "config": config}, tmp_path / name)
        return str(tmp_path / name)

    return write


def test_the_mean_of_weights_is_packed(load_command, checkpoint, tmp_path):
    trained = [checkpoint("a", 1.0), checkpoint("b", 2.0), checkpoint("c", 4.5)]
    command = ["--pose", *trained, "--facts", FACTS, "--out", str(tmp_path)]
    assert load_command("scripts/pack_model.py").main(command) == 0
    packed = load_file(tmp_path / "pose.safetensors")
    assert packed["weight"].tolist() == [2.5, 2.5]
    assert packed["num_batches_tracked"] == 7


def test_weights_of_networks_that_see_other_crops_have_no_mean(
    load_command, checkpoint, tmp_path, capsys
):
    trained = [checkpoint("a", 1.0), checkpoint("b", 2.0, "data.box_enlarge=1.1", "test.zoom=1.5")]
    command = ["--pose", *trained, "--facts", FACTS, "--out", str(tmp_path)]
    assert load_command("scripts/pack_model.py").main(command) == 2
    told = capsys.readouterr().err
    assert f"{trained[1]}: differs from {trained[0]} in data.box_enlarge, test.zoom; a mean" in told
    assert not (tmp_path / "pose.safetensors").exists()
