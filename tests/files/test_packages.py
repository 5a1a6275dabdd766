"""Optional packages: missing, too old, fine; and one table of them beside that of setup.py."""

import ast
import importlib.metadata
import re
import sys
from pathlib import Path

import pytest

from dcpose.files.packages import OPTIONAL, MissingPackageError, installed, require, requirement

SETUP = Path(__file__).resolve().parents[2] / "setup.py"


@pytest.fixture
def found(monkeypatch):
    """Function: pretend that packages have this version."""

    def pretend(version):
        monkeypatch.setattr(importlib, "import_module", lambda name: name)
        monkeypatch.setattr(importlib.metadata, "version", lambda name: version)

    return pretend


@pytest.mark.parametrize("version", ["1.25.0", "1.25.1", "2.0", "1.25.0rc1"])
def test_a_package_that_is_there_is_imported(version, found):
    found(version)
    assert require("onnxruntime", least="1.25") == "onnxruntime"


@pytest.mark.parametrize("version", ["1.24.4", "1.9", "0.99"])
def test_an_old_one_is_refused_with_the_command_that_mends_it(version, found):
    found(version)
    with pytest.raises(MissingPackageError) as refused:
        require("onnxruntime", "the file", "1.25")
    assert str(refused.value) == (
        f"the file needs the package onnxruntime, at least 1.25; found {version}; "
        "run pip install -U 'dcpose[onnx]'"
    )


@pytest.mark.parametrize("name", ["pyarrow", "pyarrow.parquet"])
def test_a_missing_one_is_an_error_of_import_and_of_the_user(name, monkeypatch):
    for module in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingPackageError) as missing:
        require(name, "form parquet", instead="take --format csv")
    assert isinstance(missing.value, ImportError)
    assert isinstance(missing.value, ValueError)
    text = str(missing.value)
    assert text.startswith("form parquet needs the package pyarrow, which cannot be imported (")
    assert text.endswith("run pip install -U 'dcpose[parquet]', or take --format csv")


def test_a_package_that_is_broken_tells_why(monkeypatch, tmp_path):
    monkeypatch.delitem(sys.modules, "timm", raising=False)
    (tmp_path / "timm.py").write_text("import library_that_timm_lacks\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ValueError, match="No module named 'library_that_timm_lacks'"):
        require("timm")


def test_what_pip_should_install():
    assert requirement("jinja2") == "'dcpose[report]'"
    assert requirement("somelib") == "somelib"


def test_the_extras_are_those_of_setup_py():
    calls = [node for node in ast.walk(ast.parse(SETUP.read_text())) if isinstance(node, ast.Call)]
    (setup,) = [call for call in calls if getattr(call.func, "id", "") == "setup"]
    keywords = {word.arg: word.value for word in setup.keywords}
    extras = ast.literal_eval(keywords["extras_require"])
    for package, (extra, least) in OPTIONAL.items():
        found = [re.split("[<>=]+", line) for line in extras[extra]]
        # mlflow-skinny is mlflow without its server
        versions = {re.sub("-skinny$", "", name): version for name, version, *_ in found}
        versions = {name.replace("-", "_"): version for name, version in versions.items()}
        assert package in versions, (package, extra)
        if least:
            assert numbers(versions[package]) >= numbers(least), package


def numbers(version):
    return [int(part) for part in version.split(".")]


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
