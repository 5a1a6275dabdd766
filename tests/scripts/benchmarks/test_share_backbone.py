"""The suite that compares training ablations one by one with a shared backbone."""

import pytest
import torch
import yaml

from benchmarks.machine import Roofline
from benchmarks.measure import Options
from benchmarks.share_backbone import compare_variants
from dcpose.config.loading import load_config

CPU = torch.device("cpu")


def test_parts_add_up(tiny_cfg, pytestconfig, tmp_path):
    frozen = yaml.safe_load(tiny_cfg.read_text())
    frozen["model"]["backbone"]["frozen"] = True
    (tmp_path / "frozen.yaml").write_text(yaml.safe_dump(frozen))
    folder = pytestconfig.rootpath / "configs" / "ablations"
    variants = [
        load_config(folder / f"{name}.yaml", ["train.batch_size=4"], on=tmp_path / "frozen.yaml")
        for name in ("complete", "no_prf", "no_next", "interval_2")
    ]
    options = Options(CPU, Roofline(copy=1e9, matmul={"fp32": 1e9, "bf16": 1e9}), runs=2)
    alone, shared = compare_variants(variants, options).rows
    # one by one: three frames each, two without a neighbour; shared: three frames serve all of
    # T = 1, and interval_2 adds its own prev and next where they are farther away
    crops = "crops_through_backbone_per_clip"
    assert alone[crops] == 3 + 3 + 2 + 3
    assert 3 <= shared[crops] <= 3 + 2
    for row in (alone, shared):
        assert 0 < row["seconds_backbone"] < row["seconds_step"]
        assert 0 < row["seconds_loading"] < row["seconds_step"]
        whole = sum(row[f"seconds_{part}"] for part in ("backbone", "heads", "loading"))
        assert whole == pytest.approx(row["seconds_step"])
    assert alone["part_of_one_by_one"] == 1
    part = shared["seconds_step"] / alone["seconds_step"]
    assert shared["part_of_one_by_one"] == pytest.approx(part)
