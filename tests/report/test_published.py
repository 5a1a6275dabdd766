"""The paper's figures as printed: rows whose mean is not that of their joints, baselines."""

import pytest

from dcpose.report.published import PUBLISHED


def test_rows_of_the_paper_whose_mean_is_not_that_of_their_joints():
    # T = 4 by hand: (3 * 81.2 + 2 * (87.4 + 83.3 + 76.7 + 81.9 + 80.2 + 72.1)) / 15 = 80.45
    assert PUBLISHED["ablation_interval_4"].mean_of_joints == pytest.approx(80.45, abs=0.01)
    odd = {name for name, published in PUBLISHED.items() if not published.closes}
    assert odd == {
        f"ablation_{name}"
        for name in ("no_ptm_current", "no_prf", "dilations_3", "no_prev", "no_next", "interval_4")
    }


def test_experiments_are_those_of_configs(pytestconfig):
    folder = pytestconfig.rootpath / "configs"
    lines = {line for path in folder.rglob("*.yaml") for line in path.read_text().splitlines()}
    assert [name for name in PUBLISHED if f"experiment: {name}" not in lines] == []
