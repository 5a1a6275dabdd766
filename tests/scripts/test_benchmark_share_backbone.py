"""The suite that compares training ablations one by one with a shared backbone."""

import pytest
import yaml


def test_parts_add_up(load_command, tiny_cfg, pytestconfig, tmp_path):
    benchmark = load_command("scripts/benchmark.py")
    frozen = yaml.safe_load(tiny_cfg.read_text())
    frozen["model"]["backbone"]["frozen"] = True
    (tmp_path / "frozen.yaml").write_text(yaml.safe_dump(frozen))
    folder = pytestconfig.rootpath / "configs" / "ablations"
    rows = [folder / f"{name}.yaml" for name in ("complete", "no_prf", "no_next", "interval_2")]
    alone, shared = benchmark.benchmark_share_backbone(rows, tmp_path / "frozen.yaml")
    # complete and no_prf see the same frames; no_next sees two of them, interval_2 other clips
    assert (alone["backbone_passes"], shared["backbone_passes"]) == (4, 3)
    assert alone["seconds_heads"] == shared["seconds_heads"] > 0
    assert 0 < shared["seconds_backbone"] < alone["seconds_backbone"]
    assert alone["part_of_alone"] == 1
    assert shared["part_of_alone"] == pytest.approx(shared["seconds_step"] / alone["seconds_step"])
    assert benchmark.SUITES["share_backbone"] is benchmark.benchmark_share_backbone
