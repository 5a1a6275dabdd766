"""tests/stress/soak.py: what it calls growth."""

from dataclasses import fields

import pytest


@pytest.fixture
def soak(load_command):
    return load_command("tests/stress/soak.py")


def test_growth_is_per_1000_steps_and_starts_after_the_first_third(soak):
    # by hand: medians at steps 100 and 500; 4 MB in 400 steps are 10 in 1000
    samples = [soak.Sample(0.0, 0, 1.0, 1, 1, 0.0)]  # before the first step
    for steps in (100, 300, 500):
        samples.append(soak.Sample(1.0, steps, 50 + steps / 100, 20, 5, 0.0))
    growth = soak.growth_per_1000_steps(samples)
    assert growth == {"memory_mb": 10.0, "files": 0.0, "threads": 0.0, "run_folder_mb": 0.0}


def test_it_trains_watches_and_stops(soak, request, capsys, tmp_path):
    root = request.config.rootpath
    options = ["--minutes", "0", "--every", "0.2", "--out", str(tmp_path / "run")]
    assert soak.main([*options, f"data.root={root / 'datasets/sample'}", "data.workers=0"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == [field.name for field in fields(soak.Sample)]
    assert " steps in " in lines[-5]
    assert lines[-1].startswith("run_folder_mb: ")
