"""tools/export.py: what it asks for and prints, and what it refuses in one line."""

from types import SimpleNamespace

import pytest

from dcpose.build.export import ExportOptions
from dcpose.deploy.exported import Parity, card_path
from dcpose.jobs.commands import export as command


@pytest.fixture
def base(tiny_cfg, tiny_weights):
    """Arguments that every call takes."""
    return ["--cfg", str(tiny_cfg), "--weights", str(tiny_weights)]


@pytest.mark.parametrize(
    ("asked", "options"),
    [
        (["--to", "torch"], ExportOptions(to="torch")),
        (
            ["--to", "onnx", "--winograd", "--precision", "fp16", "--opset", "21"],
            ExportOptions(precision="fp16", opset=21, winograd=True),
        ),
        (
            ["--to", "openvino", "--crops-to-joints", "--deform-conv", "grid_sample"],
            ExportOptions(to="openvino", form="grid_sample", crops_to_joints=True),
        ),
    ],
)
def test_asks_for_the_options_and_prints_the_proof(
    asked, options, load_command, base, run_here, capsys, monkeypatch
):
    parity = Parity(8, 2e-6, 1e-5, 0.02, 0.01, 3.0)
    calls = []

    def note(*arguments):
        calls.append(arguments)
        return SimpleNamespace(parity=parity)

    monkeypatch.setattr(command, "export", note)
    out = run_here / "pose.file"
    arguments = [*base, "--out", str(out), *asked, "test.decoding=dark"]
    assert load_command("tools/export.py").main(arguments) == 0
    assert [call[2:] for call in calls] == [(out, options, ["test.decoding=dark"])]
    assert capsys.readouterr().out.splitlines() == [parity.line(), str(out), str(card_path(out))]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["--to", "torch", "--winograd"], "--winograd: for files of onnx, found --to torch"),
        (["--to", "openvino"], "--out a.pt2: files of openvino end in .xml"),
        (["--to", "torch", "model.prf.blocs=1"], "model.prf.blocs"),
    ],
)
def test_what_makes_no_sense_is_refused(refused, base, asked, told, run_here, capsys):
    line = refused("tools/export.py", [*base, "--out", "a.pt2", *asked], capsys)
    assert told in line
    assert list(run_here.iterdir()) == []


def test_weights_are_needed(refused, capsys):
    assert "--weights" in refused("tools/export.py", ["--to", "torch", "--out", "a.pt2"], capsys)
