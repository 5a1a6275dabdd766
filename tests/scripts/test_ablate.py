"""scripts/ablate.py: the list of runs, a sweep that is interrupted, refusals."""

import json
import shlex
import sys

import pytest

from dcpose.config.loading import load_config
from dcpose.engine.run.folder import Run

ROWS = ("complete", "no_ptm_current", "no_next")


@pytest.fixture(scope="module")
def script(load_command):
    return load_command("scripts/ablate.py")


@pytest.fixture
def rows(pytestconfig):
    """Paths of three rows of Table 5."""
    folder = pytestconfig.rootpath / "configs" / "ablations"
    return [str(folder / f"{name}.yaml") for name in ROWS]


def test_dry_run_lists_runs_and_their_parameters(script, pytestconfig, capsys, run_here):
    paths = sorted((pytestconfig.rootpath / "configs" / "ablations").iterdir())
    assert script.main([*map(str, paths), "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "13 runs"
    assert len(lines) == 15
    assert lines[1].split() == ["1,603,053", "to", "do", "runs/ablations/ablation_complete/seed0"]
    assert not list(run_here.iterdir())


def test_sweep_writes_a_table_and_repeats_nothing(
    script, rows, tiny_cfg, few_people, run_here, capsys, monkeypatch
):
    names = [ROWS[0], ROWS[2]]
    arguments = [rows[0], rows[2], *few_people, "--on", str(tiny_cfg), "--out", "out"]
    arguments += ["--seeds", "0", "1", "--device", "cpu"]
    train, trained = script.train, []

    def train_two(cfg, *args, **kwargs):
        if len(trained) == 2:
            raise ValueError("power cut")
        trained.append((cfg.experiment, cfg.seed))
        return train(cfg, *args, **kwargs)

    monkeypatch.setattr(script, "train", train_two)
    assert script.main(arguments) == 2
    assert script.main([*arguments, "--dry-run"]) == 0
    states = [line.split()[1] for line in capsys.readouterr().out.splitlines() if "seed" in line]
    assert states == ["done", "done", "to", "to"]

    monkeypatch.setattr(
        script,
        "train",
        lambda cfg, *a, **k: (trained.append((cfg.experiment, cfg.seed)), train(cfg, *a, **k)),
    )
    assert script.main(arguments) == 0
    expected = {(f"ablation_{row}", seed) for row in names for seed in (0, 1)}
    assert len(trained) == 4
    assert set(trained) == expected
    text = (run_here / "out" / "table.md").read_text()
    assert capsys.readouterr().out.strip() == text.strip()
    assert "| r/m next frame |" in text
    content = json.loads((run_here / "out" / "table.json").read_text())
    assert [list(row["seeds"]) for row in content["rows"]] == [["0", "1"]] * 2
    assert "r/m next frame" in (run_here / "out" / "table.svg").read_text()
    saved = load_config(run_here / "out" / "ablation_no_next" / "seed1" / "config.yaml")
    assert (saved.seed, saved.model.neighbors) == (1, ("prev",))


def test_printed_commands_make_the_same_sweep(
    script, rows, tiny_cfg, run_here, capsys, monkeypatch
):
    trained = []

    def measure(trial, device):
        points = {"Head": 10.0 * trial.cfg.seed, "Total": float(len(trial.cfg.experiment))}
        content = json.dumps({"groups": points})
        trial.run_dir.mkdir(parents=True)
        trial.results.write_text(content)

    def train(cfg, device, run_dir, resume):
        trained.append((cfg, run_dir.relative_to(run_dir.parts[0]), resume))

    monkeypatch.setattr(script, "train", train)
    monkeypatch.setattr(script, "measure", measure)

    def arguments(out):
        shared = ["--on", str(tiny_cfg), "--seeds", "0", "1", "--device", "cpu", "--out", out]
        return [*rows[:2], "train.batch_size=100", *shared]

    assert script.main(arguments("whole")) == 0
    capsys.readouterr()
    assert script.main([*arguments("parts"), "--print-runs"]) == 0
    commands = [shlex.split(line) for line in capsys.readouterr().out.splitlines()]
    assert [command[:2] for command in commands] == [["python", "scripts/ablate.py"]] * 4
    names = [f"ablation_{row}/seed{seed}" for row in ROWS[:2] for seed in (0, 1)]
    assert [command[-2:] for command in commands] == [["--only", name] for name in names]
    for command in commands:
        assert script.main(command[2:]) == 0
        assert not (run_here / "parts" / "table.md").exists()
    assert trained[:4] == trained[4:]  # configs and folders alike
    assert script.main([*arguments("parts"), "--print-runs"]) == 0
    assert capsys.readouterr().out == ""
    assert script.main([*arguments("parts"), "--table"]) == 0
    for file in ("table.md", "table.json"):
        whole, parts = ((run_here / out / file).read_bytes() for out in ("whole", "parts"))
        assert parts == whole
    assert script.main([*arguments("parts"), "--only", "ablation_complete/seed2"]) == 2
    assert "--only: found ablation_complete/seed2, expected one of" in capsys.readouterr().err
    assert len(trained) == 8


def test_shared_backbone_trains_in_groups(
    script, rows, tiny_cfg, tiny_weights, run_here, monkeypatch
):
    together, alone = [], []
    monkeypatch.setattr(
        script,
        "train_together",
        lambda runs, *_: together.append([c.experiment for c, _ in runs]),
    )
    monkeypatch.setattr(script, "train", lambda cfg, *_, **__: alone.append(cfg.experiment))
    monkeypatch.setattr(script, "measure", lambda *_: None)
    rows = [*rows, rows[0].replace("complete", "interval_2")]
    arguments = ["model.backbone.frozen=true", "--on", str(tiny_cfg), "--out", "out"]
    assert script.main([*rows, *arguments, "--share-backbone", "--device", "cpu"]) == 0
    names = ("complete", "no_ptm_current", "no_next", "interval_2")
    assert together == [[f"ablation_{name}" for name in names]]
    assert alone == []
    drifting = [*rows, *arguments, "model.backbone.frozen_bn=false"]
    assert script.main([*drifting, "--share-backbone", "--device", "cpu"]) == 0
    assert (len(together), len(alone)) == (1, 4)


def test_every_seed_can_have_a_backbone_of_its_own(script, rows, tiny_cfg):
    overrides = ["model.backbone.weights=backbones/{seed}.pt", "model.pcn={dilations: [3]}"]
    variants = script.ablations([rows[0], *overrides], str(tiny_cfg))
    trials = script.plan(variants, [0, 7], script.Path("out"))
    assert [trial.cfg.model.backbone.weights for trial in trials] == [
        "backbones/0.pt", "backbones/7.pt"
    ]  # fmt: skip


def test_baselines_stay_as_their_configs_say(script, rows, tiny_cfg, tmp_path):
    baseline = tmp_path / "single.yaml"
    baseline.write_text(f"base: {tiny_cfg}\nexperiment: single\nmodel: {{name: single_frame}}\n")
    words = ["train.epochs=3", str(baseline), "seed=9", "optim.lr=0.5", str(tiny_cfg)]
    variants = [*script.baselines(words), *script.ablations([rows[0], "optim.lr=0.1"], tiny_cfg)]
    cfgs = [trial.cfg for trial in script.plan(variants, [4], script.Path("out"))]
    assert [cfg.experiment for cfg in cfgs] == ["single", "tiny", "ablation_complete"]
    assert [cfg.optim.lr for cfg in cfgs] == [0.5, 1e-3, 0.1]
    assert [cfg.train.epochs for cfg in cfgs] == [3, 3, 1]
    assert [cfg.seed for cfg in cfgs] == [4, 4, 4]
    with pytest.raises(ValueError, match=r"train\.epochs=3 is an override of no config"):
        script.baselines(["train.epochs=3"])


def test_folder_of_another_config_is_refused(script, rows, tiny_cfg, run_here, capsys):
    cfg = load_config(rows[0], on=tiny_cfg)
    folder = run_here / "out" / cfg.experiment / "seed0"
    Run(folder, script.config_to_dict(cfg)).describe({})
    arguments = [rows[0], "--on", str(tiny_cfg), "--out", "out", "--dry-run"]
    assert script.main(arguments) == 0
    assert script.main([*arguments, "train.epochs=2"]) == 2
    assert "config.yaml: holds a run with train.epochs: 1 -> 2; " in capsys.readouterr().err


def test_two_variants_of_one_name_are_refused(script, rows, capsys):
    arguments = [*rows[:2], "experiment=same", "--dry-run"]
    assert script.main(arguments) == 2
    assert "experiment 'same' is that of" in capsys.readouterr().err
    assert script.main(["train.epochs=1", "--dry-run"]) == 2
    assert "no config to train" in capsys.readouterr().err


def test_without_matplotlib_it_writes_the_table_and_says_so(
    script, rows, tiny_cfg, tmp_path, capsys, monkeypatch
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "dcpose.report.charts", raising=False)
    trials = script.plan(script.ablations(rows, str(tiny_cfg)), [0], tmp_path)
    assert "| r/m next frame |" in script.write_table(trials, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"table.md", "table.json"}
    line = capsys.readouterr().err
    assert "table.svg: not drawn" in line
    assert "pip install -U 'dcpose[report]'" in line
