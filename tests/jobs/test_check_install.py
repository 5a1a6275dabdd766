"""dcpose check-install: what it lists, and that it notices what is missing."""

from importlib import metadata

import pytest

import dcpose
from dcpose.jobs.commands import check_install


def test_it_lists_versions_devices_codecs_and_extras(capsys):
    assert check_install.main([]) == 0
    out = capsys.readouterr().out
    assert f"{dcpose.__version__} in " in out
    assert f"torch {metadata.version('torch')}, >=" in out
    for words in ("devices\n  cpu: ", "\n  cuda", "\n  mps: ", "libx264", "libavcodec", "report: "):
        assert words in out
    for name in ("dcpose", "person_detector", "pose"):
        assert f" {name}.safetensors " in out
    assert "MISSING" not in out


def test_a_missing_package_is_named(capsys, monkeypatch):
    requirements = ["torch>=2", "nothing-like-this>=1", 'absent; extra == "some"']
    monkeypatch.setattr(metadata, "requires", lambda name: requirements)
    assert check_install.main([]) == 1
    captured = capsys.readouterr()
    assert "nothing-like-this MISSING, >=1" in captured.out
    assert "some: absent missing" in captured.out
    assert captured.err == "missing: nothing-like-this; run pip install dcpose again\n"


@pytest.mark.parametrize("package", ["torch", "av"])
def test_it_works_without_torch_or_av(package, capsys, monkeypatch):
    version = check_install.version_of
    monkeypatch.setattr(
        check_install, "version_of", lambda name: None if name == package else version(name)
    )
    assert check_install.main([]) == 1
    assert f"not known: {package} is missing" in capsys.readouterr().out


def test_a_checkout_that_is_not_installed(capsys, monkeypatch):
    def requires(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", requires)
    assert check_install.main([]) == 2
    assert "pip install -e ." in capsys.readouterr().err
