"""The rows of the paper's Table 5: what each config builds, and what no config can ask for."""

from pathlib import Path

import pytest
import torch

from dcpose import build_model, load_config
from dcpose.build.model import count_trainable
from dcpose.config.messages import ConfigError
from dcpose.engine.optim import make_optimizer, make_scheduler

ABLATIONS = Path(__file__).resolve().parents[2] / "configs" / "ablations"

# Trainable parameters at HRNet-W48, J = 17. Complete, as released: PRF 99,670, PTM 43,249, fusion
# 125,124, per dilation 264,384 + 2,618 = 267,002. A residual steps block from Cin to Cout with b =
# floor(26 Cin / 64) has split Cin 4b + 12b, steps 10 (9 b^2 + 3b), merge 4b Cout + 3 Cout and,
# where projected, Cin Cout + 3 Cout (3 = bias and two of BatchNorm).
# - PTM away: fusion's first block sees 34 + 17 as before; the 3x3 convolution has
#   17 * 17 * 9 + 17 = 2,618.
# - PRF away: 2,618 for it, and the fusion sees 17 + 17: first block b = 13, 34 * 52 + 156 +
#   10 * (9 * 169 + 39) + 52 * 64 + 192 + 34 * 64 + 192 = 23,412 instead of 49,688 with b = 20.
# - One neighbour away: PTM sees 34: b = 13, 1,768 + 156 + 15,600 + 884 + 51 + 578 + 51 = 19,088;
#   first block of the PRF 34 to 34: 1,768 + 156 + 15,600 + 1,768 + 102 + 1,156 + 102 = 20,652
#   instead of 80,276.
COMPLETE = 99_670 + 43_249 + 125_124 + 5 * 267_002
TRAINABLE = {
    "complete": COMPLETE,
    "no_ptm_sum": COMPLETE - 43_249 + 2_618,
    "no_ptm_current": COMPLETE - 43_249,
    "no_prf": COMPLETE - 99_670 + 2_618 - 49_688 + 23_412,
    "dilations_3": COMPLETE - 4 * 267_002,
    "dilations_3_6": COMPLETE - 3 * 267_002,
    "dilations_3_6_9": COMPLETE - 2 * 267_002,
    "dilations_3_6_9_12": COMPLETE - 267_002,
    "no_prev": COMPLETE - 43_249 + 19_088 - 80_276 + 20_652,
    "no_next": COMPLETE - 43_249 + 19_088 - 80_276 + 20_652,
    "interval_2": COMPLETE,
    "interval_3": COMPLETE,
    "interval_4": COMPLETE,
}


def test_there_is_a_file_for_each_row():
    assert {path.stem for path in ABLATIONS.iterdir()} == set(TRAINABLE)
    assert COMPLETE == 1_603_053


@pytest.mark.parametrize("row", TRAINABLE)
def test_size(row):
    assert count_trainable(load_config(ABLATIONS / f"{row}.yaml")) == TRAINABLE[row]


def small(row, tiny_cfg):
    """Model of a row with the tiny backbone and few channels."""
    return build_model(load_config(ABLATIONS / f"{row}.yaml", on=tiny_cfg))


@pytest.mark.parametrize("row", TRAINABLE)
def test_row_trains_every_parameter_it_has(row, tiny_cfg):
    model = small(row, tiny_cfg).train()
    frames = torch.randn(2, 3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    gaps = torch.tensor([[1.0, 2.0], [1.0, 1.0]])
    outputs = model.training_outputs(model.encode(frames), gaps)
    sum(output.heatmaps.square().mean() for output in outputs.values()).backward()
    assert outputs["corrected"].heatmaps.shape == (2, 17, 16, 16)
    assert not [name for name, p in model.named_parameters() if p.grad is None]


@pytest.mark.parametrize(
    ("row", "removed"), [("no_ptm_sum", "ptm.chain."), ("no_ptm_current", "ptm."),
                         ("no_prf", "prf.chain.")]
)  # fmt: skip
def test_removed_module_is_gone(row, removed, tiny_cfg):
    state = small(row, tiny_cfg).state_dict()
    assert not [name for name in state if name.startswith(removed)]
    assert [name for name in small("complete", tiny_cfg).state_dict() if name.startswith(removed)]


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["model.ptm.replaced_by=sum_conv"],
         r"model\.ptm\.replaced_by=sum_conv removes.*model\.ptm\.blocks=1, "
         r"model\.ptm\.channels=17; set model\.ptm\.blocks=null model\.ptm\.channels=null"),
        (["model.ptm.replaced_by=current", "model.ptm.blocks=null"],
         r"its size is set: model\.ptm\.channels=17;"),
        (["model.prf.replaced_by=sum_conv", "model.prf.channels=null"],
         r"its size is set: model\.prf\.blocks=2; set"),
        (["model.prf.channels=null"], r"model\.prf\.channels is null, expected an integer"),
        (["model.pcn.dilations=[]"], r"model\.pcn\.dilations: found \[\]: expected at least one"),
        (["model.neighbors=[]"], r"model\.neighbors is empty, but the PRF.*keep prev or next"),
        (["model.neighbors=[next,next]"], r"model\.neighbors: found .*expected prev and next"),
        (["model.neighbors=[cur]"], r"model\.neighbors\[0\]: found 'cur', expected 'prev' or"),
        (["model.grouping=joint", "model.prf.channels=30"],
         r"model\.prf\.channels is 30, expected a multiple of model\.num_joints=17"),
    ],
)  # fmt: skip
def test_the_impossible_gives_one_line(overrides, line):
    with pytest.raises(ConfigError, match=line) as error:
        load_config(ABLATIONS / "complete.yaml", overrides)
    assert "\n" not in str(error.value)


def test_row_on_another_base(tiny_cfg):
    cfg = load_config(ABLATIONS / "no_next.yaml", ["seed=3"], on=tiny_cfg)
    tiny = load_config(tiny_cfg)
    assert (cfg.experiment, cfg.seed, cfg.model.neighbors) == ("ablation_no_next", 3, ("prev",))
    assert cfg.data == tiny.data
    assert cfg.model.backbone == tiny.model.backbone
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: no such config file"):
        load_config(ABLATIONS / "no_next.yaml", on="nowhere.yaml")


def test_single_frame_has_no_use_for_neighbours(tiny_cfg):
    with pytest.raises(ConfigError, match=r"model\.neighbors: unknown key"):
        load_config(tiny_cfg, ["model.name=single_frame", "model.neighbors=[]"])


def test_switches_reach_the_network(tiny_cfg):
    overrides = ["model.grouping=joint", "model.prf.channels=34", "model.pcn.masks=sigmoid",
                 "model.prf.second_residual=next_minus_cur"]  # fmt: skip
    model = build_model(load_config(tiny_cfg, overrides))
    convolutions = [m for part in (model.ptm, model.prf) for m in part.modules()
                    if isinstance(m, torch.nn.Conv2d)]  # fmt: skip
    assert {convolution.groups for convolution in convolutions} == {17}
    assert {m.groups for m in model.fusion.modules() if isinstance(m, torch.nn.Conv2d)} == {1}
    assert model.pcn.masks == "sigmoid"
    assert model.prf.residuals.last_is_turned


def test_weights_of_a_whole_dcpose_do_not_fit_a_row(tiny_cfg, tmp_path):
    torch.save(small("complete", tiny_cfg).state_dict(), tmp_path / "complete.pth")
    cfg = ["model.prf.replaced_by=sum_conv", "model.prf.blocks=null", "model.prf.channels=null"]
    with pytest.raises(ValueError, match="does not fit the model") as error:
        build_model(load_config(tiny_cfg, cfg), tmp_path / "complete.pth")
    assert "single-frame" not in str(error.value)
    assert "model.name" not in str(error.value)


@pytest.mark.parametrize(
    ("recipe", "rates"),
    [
        # epoch: rate. Paper: times 0.9 every 4 epochs. Release: all of 0.1^4 or 0.99^4 at once.
        ("posetrack17/recipes/paper", {1: 1e-4, 4: 1e-4, 5: 9e-5, 9: 8.1e-5, 20: 6.561e-5}),
        ("posetrack18/recipes/paper", {1: 1e-4, 5: 9e-5, 20: 6.561e-5}),
        ("posetrack17/recipes/release", {1: 1e-3, 2: 1e-7, 20: 1e-7}),
        ("posetrack18/recipes/release", {1: 1e-4, 2: 9.6059601e-5, 20: 9.6059601e-5}),
    ],
)
def test_recipe_has_the_rate_of_each_epoch(recipe, rates):
    cfg = load_config(ABLATIONS.parent / f"{recipe}.yaml")
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = make_optimizer([parameter], cfg.optim.name, cfg.optim.lr)
    scheduler = make_scheduler(optimizer, cfg.optim.milestones, cfg.optim.gamma)
    seen = {}
    for epoch in range(1, cfg.train.epochs + 1):
        seen[epoch] = optimizer.param_groups[0]["lr"]
        optimizer.step()
        scheduler.step()
    assert {epoch: seen[epoch] for epoch in rates} == pytest.approx(rates)
    assert len(seen) == 20
    assert cfg.train.batch_size * cfg.train.accumulate == (64 if "release" in recipe else 32)
    assert cfg.model.backbone.frozen_bn == ("paper" in recipe)
