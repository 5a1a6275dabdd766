"""Optional packages: missing, too old, fine."""

import importlib.metadata

import pytest

from dcpose.deploy.packages import require


def test_a_package_that_is_there_is_imported(monkeypatch):
    monkeypatch.setattr(importlib, "import_module", lambda name: name)
    for version in ("1.25.0", "1.25.1", "2.0", "1.25.0rc1"):
        monkeypatch.setattr(importlib.metadata, "version", lambda name, v=version: v)
        assert require("onnxruntime", "1.25") == "onnxruntime"


@pytest.mark.parametrize("version", ["1.24.4", "1.9", "0.99"])
def test_an_old_one_is_refused_with_the_command_that_mends_it(monkeypatch, version):
    monkeypatch.setattr(importlib, "import_module", lambda name: name)
    monkeypatch.setattr(importlib.metadata, "version", lambda name: version)
    told = rf"found onnxruntime {version}, expected at least 1\.25; pip install -U 'dcpose\[onnx\]'"
    with pytest.raises(ValueError, match=told):
        require("onnxruntime", "1.25")


def test_a_missing_one_too(monkeypatch):
    def absent(name):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(ValueError, match=r"openvino is not installed .*'dcpose\[openvino\]'"):
        require("openvino")
