"""The suite that compares training ablations one by one with a shared backbone."""

import pytest
import torch
import yaml

from benchmarks.machine import Roofline
from benchmarks.measure import Options
from benchmarks.share_backbone import compare_variants
from dcpose.config import load_config

CPU = torch.device("cpu")


def test_parts_add_up(tiny_cfg, pytestconfig, tmp_path):
    frozen = yaml.safe_load(tiny_cfg.read_text())
    frozen["model"]["backbone"]["frozen"] = True
    (tmp_path / "frozen.yaml").write_text(yaml.safe_dump(frozen))
    folder = pytestconfig.rootpath / "configs" / "ablations"
    variants = [
        load_config(folder / f"{name}.yaml", on=tmp_path / "frozen.yaml")
        for name in ("complete", "no_prf", "no_next", "interval_2")
    ]
    options = Options(CPU, Roofline(copy=1e9, matmul={"fp32": 1e9, "bf16": 1e9}))
    alone, shared = compare_variants(variants, options).rows
    # complete and no_prf see the same frames; no_next sees two of them, interval_2 other clips
    assert (alone["backbone_passes"], shared["backbone_passes"]) == (4, 3)
    assert alone["seconds_heads"] == shared["seconds_heads"] > 0
    assert 0 < shared["seconds_backbone"] < alone["seconds_backbone"]
    assert alone["part_of_alone"] == 1
    assert shared["part_of_alone"] == pytest.approx(shared["seconds_step"] / alone["seconds_step"])
