"""--inspect on checkpoints of the ablations: which rows of Table 5 a file can be of."""

from pathlib import Path

import pytest
import torch

from dcpose import load_config
from dcpose.build.model import build_model
from dcpose.build.weights import inspect_weights, network_of
from dcpose.jobs.commands.convert_weights import fitting_configs
from dcpose.weights.recognise import config_of, settings_of

REPOSITORY = Path(__file__).resolve().parents[2]
ABLATIONS = REPOSITORY / "configs" / "ablations"
ALIKE = {
    "no_prev": {"no_prev", "no_next"},
    "no_next": {"no_prev", "no_next"},
    "complete": {"complete", "interval_2", "interval_3", "interval_4"},
}
"""Rows that have the same names and shapes; every other row is told apart."""
SMALL = [
    *("model.backbone.width=8", "model.backbone.modules=[1,1,1]", "model.backbone.blocks=1"),
    *("model.backbone.stem_channels=8", "model.fusion.channels=8", "model.fusion.blocks=1"),
]


def full_size_state(name):
    """Names and shapes alone of the model of a row, at the published size."""
    with torch.device("meta"):
        return build_model(load_config(ABLATIONS / f"{name}.yaml")).state_dict()


@pytest.mark.parametrize(
    "name",
    ["complete", "no_ptm_sum", "no_ptm_current", "no_prf", "dilations_3_6", "no_prev", "no_next"],
)
def test_rows_of_table_5_are_recognised(name):
    settings = settings_of(full_size_state(name))
    config = config_of(settings)
    fitting = fitting_configs(config)
    rows = {Path(path).stem for path in fitting if path.startswith("configs/ablations/")}
    assert rows == ALIKE.get(name, {name})


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["model.prf={replaced_by: sum_conv, blocks: null, channels: null}"],
         {"model.prf.replaced_by": "sum_conv", "model.neighbors": ["prev", "next"]}),
        (["model.ptm={replaced_by: current, blocks: null, channels: null}"],
         {"model.ptm.replaced_by": "current", "model.ptm.blocks": None}),
        (["model.grouping=joint", "model.neighbors=[next]"],
         {"model.grouping": "joint", "model.neighbors": ["prev"]}),
        (["model.grouping=joint",
          "model.ptm={replaced_by: sum_conv, blocks: null, channels: null}",
          "model.prf={replaced_by: sum_conv, blocks: null, channels: null}"],
         {"model.grouping": "joint", "model.ptm.replaced_by": "sum_conv"}),
    ],
)  # fmt: skip
def test_files_load_and_tell_what_they_are(overrides, told, tmp_path):
    cfg = load_config(ABLATIONS / "complete.yaml", [*SMALL, *overrides])
    path = tmp_path / "weights.pth"
    torch.save(build_model(cfg).state_dict(), path)
    inspection = inspect_weights(path)
    assert inspection.problem is None
    assert inspection.config["model.name"] == "dcpose"
    assert told.items() <= inspection.config.items()
    expected = {name: tensor.shape for name, tensor in inspection.weights.named.state.items()}
    rebuilt = network_of(config_of(settings_of(inspection.weights.named.state))).state_dict()
    assert {name: tensor.shape for name, tensor in rebuilt.items()} == expected


def test_what_shapes_cannot_tell_is_said(tmp_path):
    replaced = "{replaced_by: sum_conv, blocks: null, channels: null}"
    for overrides, note in (
        (
            [],
            "nor do they tell model.prf.second_residual, model.pcn.masks, model.start and "
            "data.max_gap",
        ),
        (["model.neighbors=[prev]"], "one neighbour is fed, shapes do not tell which"),
        ([f"model.ptm={replaced}", f"model.prf={replaced}"], "nor model.neighbors"),
    ):
        cfg = load_config(ABLATIONS / "complete.yaml", [*SMALL, *overrides])
        path = tmp_path / "weights.pth"
        torch.save(build_model(cfg).state_dict(), path)
        assert note in " ".join(inspect_weights(path).notes)
