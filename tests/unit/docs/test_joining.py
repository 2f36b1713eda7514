"""The commands and files that README.md, CONTRIBUTING.md and similar pages name exist."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.servers.code_blocks import blocks
from wharf_upload.domain.keys import InvalidKey

ROOT = Path(__file__).parents[3]
PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", ".github/PULL_REQUEST_TEMPLATE.md")
TARGETS = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
# A command line that begins with make, in a block or between backticks.
_MAKE = re.compile(r"(?:^|`)make ((?:[a-z0-9-]+ ?)+)", re.MULTILINE)
# A file that the page names, in a command or in a sentence.
_PATH = re.compile(r"(?<![\w/])((?:tests|docs|services|libs|deploy|loadtests|\.ci)/[\w./-]+)")
# CONTRIBUTING.md asks its reader to create this file, so the checkout does not have it.
FIRST_TEST = "tests/unit/upload/test_first.py"


def text_of(page: str) -> str:
    """Return the text of a page at the root of the checkout."""
    return (ROOT / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_targets_of_make_exist(page: str) -> None:
    """The Makefile has each target of make that a page names."""
    named = {target for words in _MAKE.findall(text_of(page)) for target in words.split()}
    assert named
    assert named - TARGETS == set()


@pytest.mark.parametrize("page", PAGES[:3])
def test_named_files_exist(page: str) -> None:
    """The checkout has each file and folder that a page names."""
    named = {name.rstrip(".") for name in _PATH.findall(text_of(page))} - {FIRST_TEST}
    assert named
    assert {name for name in named if not (ROOT / name).exists()} == set()


def test_the_first_test_fails() -> None:
    """The first test of CONTRIBUTING.md fails for the reason that the page gives."""
    (script,) = blocks("CONTRIBUTING.md", "Write a failing test first", "python")
    (command,) = blocks("CONTRIBUTING.md", "Write a failing test first")
    assert FIRST_TEST in command
    names: dict[str, Any] = {}
    exec(compile(script, FIRST_TEST, "exec"), names)
    with pytest.raises(InvalidKey):
        names["test_a_key_may_end_with_a_slash"]()


def test_readme_starts_the_stack_as_the_tour_does() -> None:
    """README.md and docs/tour.md have the same command for docker compose.

    Another test runs the command of docs/tour.md.
    """
    assert blocks("README.md", "Start")[2] == blocks("docs/tour.md", "With docker compose")[0]


def test_readme_has_two_screens() -> None:
    """README.md has at most 100 lines, so it fits on two screens."""
    assert len(text_of("README.md").splitlines()) <= 100


def test_hooks_call_targets() -> None:
    """Each hook of pre-commit is local and runs one target of the Makefile."""
    repositories = yaml.safe_load(text_of(".pre-commit-config.yaml"))["repos"]
    assert [one["repo"] for one in repositories] == ["local"]
    hooks = repositories[0]["hooks"]
    assert {hook["id"]: hook["stages"] for hook in hooks} == {
        "lint": ["pre-commit"],
        "types": ["pre-push"],
    }
    for hook in hooks:
        program, target = hook["entry"].split()
        assert (program, hook["language"]) == ("make", "system")
        assert target in TARGETS


@pytest.mark.parametrize("name", ["bug", "idea"])
def test_forms_of_issues_can_be_shown(name: str) -> None:
    """An issue form has a name, a description and fields with labels and unique ids."""
    form = yaml.safe_load(text_of(f".github/ISSUE_TEMPLATE/{name}.yml"))
    assert form["name"]
    assert form["description"]
    fields = [part for part in form["body"] if part["type"] != "markdown"]
    assert all(field["attributes"]["label"] for field in fields)
    ids = [field["id"] for field in fields]
    assert len(ids) == len(set(ids)) > 1


def test_packages_have_the_license() -> None:
    """Each package names the license of the file LICENSE."""
    assert "Apache License\n" in text_of("LICENSE")
    files = [
        path
        for top in ("libs", "services", "deploy")
        for path in (ROOT / top).glob("*/pyproject.toml")
    ]
    assert len(files) > 8
    for path in files:
        assert tomllib.loads(path.read_text())["project"]["license"] == "Apache-2.0", path
