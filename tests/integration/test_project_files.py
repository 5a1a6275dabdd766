"""What a public project has beside its code says the same as the code."""

import re
from pathlib import Path

import pytest
import yaml

import dcpose
from dcpose.cli import COMMANDS
from dcpose.config.shipped import find_config

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", *(
    path.relative_to(REPOSITORY).as_posix() for path in (REPOSITORY / "docs").glob("*.md")
)]  # fmt: skip

SHIPPED = {"configs", *(folder.name for folder in (REPOSITORY / "configs").iterdir())}
"""Folders of shipped configs; others are the reader's own."""


def text_of(page):
    return (REPOSITORY / page).read_text(encoding="utf-8")


def test_the_version_is_everywhere_the_same():
    citation = yaml.safe_load(text_of("CITATION.cff"))
    assert citation["version"] == dcpose.__version__
    assert f"## {dcpose.__version__}\n" in text_of("CHANGELOG.md")


def test_the_citation_is_that_of_the_readme():
    paper = yaml.safe_load(text_of("CITATION.cff"))["preferred-citation"]
    readme = text_of("README.md")
    authors = " and ".join(f"{a['family-names']}, {a['given-names']}" for a in paper["authors"])
    assert f"author    = {{{authors}}}" in readme
    assert f"title     = {{{paper['title']}}}" in readme
    assert f"year      = {{{paper['year']}}}" in readme


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    folder = (REPOSITORY / page).parent
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text_of(page))
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (folder / target).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_configs_of_the_docs_exist(page):
    blocks = "\n".join(re.findall(r"```bash\n(.*?)```", text_of(page), flags=re.DOTALL))
    commands = re.findall(r"(?:^|\n|&& )dcpose ([a-z-]+)", blocks)
    assert set(commands) - {"--help"} <= set(COMMANDS)
    for name in re.findall(r"--cfg ([\w./]+)", blocks):
        if name.split("/")[0] in SHIPPED:
            find_config(name)
    for script in re.findall(r"(?<![\w/])(?:tools|scripts)/\w+\.(?:py|sh)", text_of(page)):
        assert (REPOSITORY / script).exists(), script


def test_the_workflow_calls_the_scripts():
    jobs = yaml.safe_load(text_of(".github/workflows/tests.yml"))["jobs"]
    commands = " ".join(step.get("run", "") for job in jobs.values() for step in job["steps"])
    for script in ("scripts/run_tests.sh", "scripts/quickstart.sh"):
        assert f"bash {script}" in commands
        assert (REPOSITORY / script).is_file()
    versions = jobs["tests"]["strategy"]["matrix"]["python"]
    setup = text_of("setup.py")
    assert 'python_requires=">=3.10"' in setup
    assert versions == [f"3.{minor}" for minor in range(10, 15)]
    assert "range(10, 15)" in setup
