"""The navigation of the site (docs/site/conf.py) has each page in one place."""

from __future__ import annotations

import re
from pathlib import Path

from docs.site import conf

ROOT = Path(__file__).parents[3]
ENTRY = re.compile(r"^/(.+)$", re.MULTILINE)


def _entries(page: str, known: list[str]) -> list[str]:
    return ENTRY.findall(conf.navigation(page, known))


def test_each_page_is_listed_once() -> None:
    """The front page and the indexes of folders list every other page exactly once."""
    known = conf.pages(ROOT)
    listed = [one for page in known for one in _entries(page, known)]
    assert sorted(listed) == sorted(one for one in known if one != conf.root_doc)


def test_a_new_page_needs_no_group() -> None:
    """A page without a group is in the last group; a group's page is left out if it is missing."""
    known = ["README", "docs/adr/0001-a", "docs/adr/README", "docs/brand-new", "docs/settings"]
    text = conf.navigation("README", known)
    assert ENTRY.findall(text) == ["docs/settings", "docs/adr/README", "docs/brand-new"]
    assert ":caption: More\n/docs/brand-new" in text
    assert _entries("docs/adr/README", known) == ["docs/adr/0001-a"]
    assert conf.navigation("docs/settings", known) == ""


def test_a_link_to_a_folder_leads_to_its_page(tmp_path: Path) -> None:
    """A link to a folder becomes a link to its README.md, or plain text if the folder has none."""
    for folder in ("with", "without"):
        (tmp_path / folder).mkdir()
    (tmp_path / "with/README.md").touch()
    text = "[a](with) [`b`](with/) [c](without/) [d](with/README.md) [e](x.py#y) [f](https://z)"
    assert conf.without_folders(text, tmp_path / "page.md") == (
        "[a](with/README.md) [`b`](with/README.md) c [d](with/README.md) [e](x.py#y) [f](https://z)"
    )


def test_groups_name_pages_once() -> None:
    """No page is in two groups of the navigation."""
    named = [one for group in conf.GROUPS.values() for one in group]
    assert len(set(named)) == len(named)
