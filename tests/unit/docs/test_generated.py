"""The generated pages match the code."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from docs import generate

ROOT = Path(__file__).parents[3]


def test_no_generated_page_is_stale() -> None:
    """Each generated page is current: `make docs` was run after the last change of the sources."""
    command = [sys.executable, str(ROOT / "docs/generate.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_stale_page_is_named(tmp_path: Path) -> None:
    """A page that is missing, or that differs in one character, is named as stale."""
    pages = {"missing.md": "a\n", "changed.md": "b\n", "good.md": "c\n"}
    (tmp_path / "changed.md").write_text("b \n")
    (tmp_path / "good.md").write_text("c\n")
    assert generate.stale(tmp_path, pages) == ["missing.md", "changed.md"]


def test_default_paths_do_not_name_this_machine() -> None:
    """The page of settings contains no path of the machine that generates it."""
    assert os.getcwd() not in generate.settings_page()


def test_every_problem_has_a_page_at_its_type() -> None:
    """Each problem has a page at the path of its `type`, and the index links to each page."""
    pages = generate.problem_pages()
    for _, catalogue in generate.CATALOGUES:
        for problem in catalogue.by_slug.values():
            assert f"<h1>{problem.title}</h1>" in pages[f"{problem.slug}.html"]
            assert f'href="{problem.type}"' in pages["index.html"]


def test_slugs_are_unique_over_all_services() -> None:
    """A problem's slug is unique over all services, because the gateway has one page for a slug."""
    slugs = [slug for _, catalogue in generate.CATALOGUES for slug in catalogue.by_slug]
    assert len(slugs) == len(set(slugs))


def test_problem_pages_need_nothing_that_the_gateway_forbids() -> None:
    """The problem pages have no style, script or picture, which their policy would refuse."""
    pages = generate.problem_pages()
    assert len(pages) > 50
    for name, page in pages.items():
        forbidden = r"<(style|script|img|link|iframe)\b|<[^>]+\s(style|on\w+)="
        assert not re.search(forbidden, page), name
        assert "`" not in page, name
