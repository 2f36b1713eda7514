"""Runbooks: each alert has a page with its meaning, its symptoms and the necessary actions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.servers.observing import ROOT, alerts

RUNBOOKS = ROOT / "docs/runbooks"
ALERTS = {rule["alert"]: rule for rule in alerts()}
PAGES = sorted(path.stem for path in RUNBOOKS.glob("Wharf*.md"))
HEADINGS = ["## What it means", "## How to see it", "## What to do"]


def test_every_alert_has_its_page_and_every_page_its_alert() -> None:
    """Each alert has a page, and each page has an alert."""
    assert sorted(ALERTS) == PAGES


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_an_alert_says_how_urgent_it_is_and_where_to_read_on(rule: dict[str, Any]) -> None:
    """An alert has its runbook's path, a severity, a summary and a description."""
    annotations = rule["annotations"]
    assert annotations["runbook_url"] == f"docs/runbooks/{rule['alert']}.md"
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert annotations["summary"]
    assert annotations["description"].endswith(".")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_answers_three_questions(name: str) -> None:
    """A runbook has the three headings, each with a text; each link leads to an existing file."""
    text = (RUNBOOKS / f"{name}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {name}\n")
    assert re.findall(r"^## .*$", text, re.MULTILINE) == HEADINGS
    for part in re.split(r"^## .*$", text, flags=re.MULTILINE)[1:]:
        assert part.strip()
    for link in re.findall(r"\]\(([^)#]+)", text):
        assert (RUNBOOKS / link).exists(), link


@pytest.mark.parametrize("name", PAGES)
def test_pages_name_what_exists(name: str) -> None:
    """The settings, documents and dashboards that a runbook names exist."""
    text = (RUNBOOKS / f"{name}.md").read_text(encoding="utf-8")
    settings = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    for setting in re.findall(r"`(WHARF_[A-Z_]+)`", text):
        assert f"`{setting}`" in settings, setting
    for document in re.findall(r"\bdocs/[\w/-]+\.md", text):
        assert (ROOT / document).exists(), document
    for dashboard in re.findall(r"\*Wharf:\s(\w+)\*", text):
        assert (ROOT / f"deploy/grafana/dashboards/wharf-{_UIDS[dashboard]}.json").exists()


_UIDS = {"service": "overview", "tenants": "tenants", "capacity": "capacity"}


def test_the_index_lists_all() -> None:
    """docs/runbooks/README.md lists every page."""
    index = Path(RUNBOOKS / "README.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"\((Wharf\w+)\.md\)", index)) == PAGES
