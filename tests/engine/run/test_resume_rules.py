from fnmatch import fnmatchcase

import pytest

from dcpose.config.messages import leaf_keys
from dcpose.config.schema import Config
from dcpose.engine.run.checkpoint import CheckpointError
from dcpose.engine.run.resume_rules import MAY_CHANGE, check_changes, config_differences


def config(**train):
    return {"seed": 0, "train": {"epochs": 3, "batch_size": 2, **train}}


def test_what_may_change_is_told():
    assert check_changes(config(), config(epochs=5), "x.pt") == ["train.epochs: 3 -> 5"]
    assert check_changes(config(), config(), "x.pt") == []


def test_what_would_be_another_run_is_refused():
    with pytest.raises(CheckpointError, match=r"x\.pt: with another train\.batch_size: 2 -> 4 it"):
        check_changes(config(), config(epochs=5, batch_size=4), "x.pt")


def test_keys_of_another_version_are_told_only():
    assert check_changes(config(old=1), config(new=2), "x.pt") == [
        "train.new: (absent) -> 2",
        "train.old: 1 -> (absent)",
    ]


@pytest.mark.parametrize("pattern", MAY_CHANGE)
def test_the_rules_name_keys_that_exist(pattern):
    assert any(fnmatchcase(key, pattern) for key in leaf_keys(Config))


@pytest.mark.parametrize(
    "key", ["seed", "model.name", "data.crop_wh", "train.batch_size", "optim.lr"]
)
def test_what_makes_the_run_is_not_among_them(key):
    assert key in leaf_keys(Config)
    assert not any(fnmatchcase(key, pattern) for pattern in MAY_CHANGE)


def test_config_differences_are_dotted_and_sorted():
    saved = {"train": {"epochs": 3, "batch_size": 2}, "seed": 0}
    current = {"train": {"epochs": 5, "batch_size": 2, "log_every": 1}, "seed": 0}
    assert config_differences(saved, current) == {
        "train.epochs": "train.epochs: 3 -> 5",
        "train.log_every": "train.log_every: (absent) -> 1",
    }
    assert config_differences(saved, saved) == {}
