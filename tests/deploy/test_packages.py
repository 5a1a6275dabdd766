"""Optional packages: missing, too old, fine."""

import importlib.metadata

import pytest

from dcpose.deploy.packages import installed, require


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


def test_whether_packages_are_there_is_known_without_importing_them(monkeypatch):
    versions = {"onnx": "1.18.0", "onnxruntime": "1.19.2"}

    def version(name):
        if name not in versions:
            raise importlib.metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(importlib, "import_module", None)
    monkeypatch.setattr(importlib.metadata, "version", version)
    assert installed("onnx")
    assert not installed("onnx", "onnxruntime")  # too old
    assert not installed("onnx", "onnxscript")  # missing
