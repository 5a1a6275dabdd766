"""Curves and pictures go to the loggers that a run names; stand-ins for those that are extras."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from dcpose.engine.run.folder import Run

PICTURE = {"clips": np.zeros((4, 6, 3), np.uint8)}


@pytest.fixture
def wandb(monkeypatch):
    """A stand-in for W&B that keeps what it gets."""
    module = ModuleType("wandb")
    module.started, module.logged = [], []

    def init(**options):
        module.started.append(options)
        finish = lambda: module.logged.append("finished")  # noqa: E731
        metrics = lambda name, step_metric: module.logged.append((name, step_metric))  # noqa: E731
        return SimpleNamespace(log=module.logged.append, finish=finish, define_metric=metrics)

    module.init, module.Image = init, lambda array: ("image", array.shape)
    monkeypatch.setitem(sys.modules, "wandb", module)
    return module


class Tracking:
    """A stand-in for MLflow's client; runs are kept per address."""

    kept = {}  # noqa: RUF012 - emptied by the fixture

    def __init__(self, tracking_uri):
        self.runs, self.calls = self.kept.setdefault(tracking_uri, ({}, []))

    def get_experiment_by_name(self, name):
        return None

    def create_experiment(self, name, artifact_location):
        self.calls.append(("experiment", name, artifact_location))
        return "7"

    def search_runs(self, experiments, filter_string, max_results):
        name = filter_string.split("'")[1]
        found = [self.runs[name]] if name in self.runs else []
        return [SimpleNamespace(info=SimpleNamespace(run_id=run)) for run in found]

    def create_run(self, experiment, run_name, tags):
        self.runs[tags["dcpose"]] = run_name
        return SimpleNamespace(info=SimpleNamespace(run_id=run_name))

    def log_dict(self, run_id, values, file):
        self.calls.append((run_id, file, values))

    def log_batch(self, run_id, metrics):
        self.calls.append((run_id, metrics))

    def log_image(self, run_id, picture, artifact_file):
        self.calls.append((run_id, artifact_file, picture.shape))

    def set_terminated(self, run_id):
        self.calls.append((run_id, "finished"))


@pytest.fixture
def mlflow(monkeypatch):
    module, entities = ModuleType("mlflow"), ModuleType("mlflow.entities")
    module.MlflowClient = Tracking
    entities.Metric = lambda name, value, time, step: (name, value, step)
    monkeypatch.setitem(sys.modules, "mlflow", module)
    monkeypatch.setitem(sys.modules, "mlflow.entities", entities)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    Tracking.kept.clear()
    return Tracking


def test_wandb_is_offline_and_goes_on_where_it_was(tmp_path, wandb, monkeypatch):
    monkeypatch.delenv("WANDB_MODE", raising=False)
    run = Run(tmp_path / "tiny" / "now", {"seed": 3}, ["wandb"])
    run.plot(2, {"train/loss": 0.5})
    run.show(2, PICTURE)
    run.close()
    assert wandb.logged == [
        ("*", "step"),
        {"train/loss": 0.5, "step": 2},
        {"clips": ("image", (4, 6, 3)), "step": 2},
        "finished",
    ]
    run.rewind(1)  # a resumed run
    first, again = wandb.started
    assert (first["project"], first["name"], first["mode"]) == ("tiny", "now", "offline")
    assert (first["config"], first["dir"]) == ({"seed": 3}, str(run.path))
    assert (again["id"], again["resume"]) == (first["id"], "allow")
    monkeypatch.setenv("WANDB_MODE", "online")
    run.rewind(1)
    assert wandb.started[-1]["mode"] == "online"


def test_mlflow_keeps_curves_in_the_run_folder(tmp_path, mlflow, monkeypatch):
    run = Run(tmp_path / "tiny" / "now", {"seed": 3}, ["mlflow"])
    run.plot(2, {"train/loss": 0.5, "train/lr": 0.1})
    run.show(2, PICTURE)
    run.close()
    run.rewind(1)
    run.close()
    address, pictures = f"sqlite:///{run.path / 'mlflow.db'}", (run.path / "mlflow").as_uri()
    assert list(mlflow.kept) == [address]
    calls = mlflow.kept[address][1]
    assert calls == [
        ("experiment", "tiny", pictures),
        ("now", "config.json", {"seed": 3}),
        ("now", [("train/loss", 0.5, 2), ("train/lr", 0.1, 2)]),
        ("now", "clips/00000002.png", (4, 6, 3)),
        ("now", "finished"),
        ("experiment", "tiny", pictures),
        ("now", "finished"),
    ]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server")
    run.plot(3, {})
    assert "http://server" in mlflow.kept


def test_only_what_is_named_is_written(tmp_path, wandb):
    run = Run(tmp_path / "a" / "b", {}, [])
    run.plot(1, {"loss": 1.0})
    run.close()
    assert [path.name for path in run.path.iterdir()] == ["checkpoints"]
    both = Run(tmp_path / "a" / "c", {}, ["tensorboard", "wandb"])
    both.plot(1, {"loss": 1.0})
    both.close()
    assert list((both.path / "tensorboard").iterdir())
    assert {"loss": 1.0, "step": 1} in wandb.logged


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_what_is_missing_is_named_with_its_way_out(tmp_path, name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    told = rf"train\.loggers: {name} needs the package {name}, .*pip install -U 'dcpose\[{name}\]'"
    with pytest.raises(ValueError, match=told):
        Run(tmp_path, {}, [name]).plot(1, {"loss": 1.0})


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_the_real_one_works_without_a_network(tmp_path, name, monkeypatch):
    pytest.importorskip({"wandb": "wandb", "mlflow": "mlflow.store.db.utils"}[name])
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for resumed in (False, True):
        run = Run(tmp_path / "tiny" / "now", {"seed": 3}, [name])
        if resumed:
            run.rewind(1)
        run.plot(2, {"train/loss": 0.5})
        run.show(2, PICTURE)
        run.close()
    files = [path for path in run.path.rglob("*") if path.is_file()]
    assert any(name in str(path.relative_to(run.path)) for path in files)
