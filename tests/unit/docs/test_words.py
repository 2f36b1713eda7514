"""Words that texts avoid: the glossary's table, the texts of files, the report of textlint."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from docs.words import findings, terms, texts
from docs.words.__main__ import ROOT, sources, write_text

GLOSSARY = terms.GLOSSARY.read_text(encoding="utf-8")


@pytest.mark.parametrize("head", [terms.TERMS, terms.AVOIDED])
def test_the_glossary_is_sorted(head: str) -> None:
    """The rows of both tables are in the order of the alphabet, and none begins like another."""
    first = [row[0].split("`, `")[0].strip("`").lower() for row in terms.rows(GLOSSARY, head)]
    assert len(first) > 10
    assert first == sorted(set(first))


def test_each_avoided_word_has_one_replacement() -> None:
    """No phrase is listed twice, and each cell has phrases in backticks and a replacement."""
    phrases = terms.avoided(GLOSSARY)
    assert len({one.phrase.lower() for one in phrases}) == len(phrases)
    assert all(one.phrase.strip() and one.instead.strip() for one in phrases)
    for cell, _ in terms.rows(GLOSSARY, terms.AVOIDED):
        assert re.fullmatch(r"`[^`]+`(, `[^`]+`)*", cell)


def test_no_term_is_avoided() -> None:
    """The glossary does not explain a word that it forbids."""
    explained = {term.lower() for term, _ in terms.rows(GLOSSARY, terms.TERMS)}
    assert not explained & {one.phrase.lower() for one in terms.avoided(GLOSSARY)}


@pytest.mark.parametrize(
    ("phrase", "text", "found"),
    [
        (terms.Avoided("goes away", ""), "it goes\naway", True),
        (terms.Avoided("is gone", ""), "Is gone", True),
        (terms.Avoided("Who", "", opens=True), "Who sends it waits.", True),
        (terms.Avoided("Who", "", opens=True), "the person who", False),
        (terms.Avoided("Who", "", opens=True), "Who may read it? A person.", False),
        (terms.Avoided("Who", "", opens=True), "Whole files", False),
    ],
)
def test_a_pattern(phrase: terms.Avoided, text: str, found: bool) -> None:  # noqa: FBT001
    """A phrase is found across lines and in any case, the beginning of a sentence only as such."""
    assert (re.search(phrase.pattern(), text, re.IGNORECASE) is not None) is found


def test_the_table_is_read_from_the_page() -> None:
    """One row may list several phrases; an ellipsis marks the beginning of a sentence."""
    page = f"\n{terms.AVOIDED}\n|---|---|\n| `a b`, `C …` | d |\n\n| `e` | f |\n"
    assert terms.avoided(page) == [
        terms.Avoided("a b", "d"),
        terms.Avoided("C", "d", opens=True),
    ]


def test_texts_of_a_module_stay_on_their_lines() -> None:
    """Docstrings and comments lose quotes and indentation; code and directives are left out."""
    source = '''#!/usr/bin/python
"""A module.

    an example
"""
# A comment.
x = "no text"  # noqa: S105
def a():  # After code.
    r"""Return ``x``.

    More.
    """
class B: "On the line of its class."
'''
    assert texts.of_python(source).split("\n") == [
        "",
        "A module.",
        "",
        "    an example",
        "",
        "A comment.",
        "",
        "After code.",
        "Return ``x``.",
        "",
        "More.",
        "",
        "",
        "",
    ]


def test_help_of_make_stays_on_its_line() -> None:
    """The help of a target is an item of a list, since two targets are two sentences."""
    assert texts.of_makefile("x := 1\na b: c ## Make it\n\t@d ## no help\n") == "\n- Make it\n\n"


def test_a_report_names_lines_of_the_source(tmp_path: Path) -> None:
    """A phrase is on one line; the beginning of a heading or a cell is no finding."""
    page = tmp_path / "page.md"
    page.write_text("# Who may\n\nWho goes\naway.\n")
    message = "Incorrect term: “{}”, use “x” instead"
    report: list[findings.Result] = [
        {
            "filePath": str(page),
            "messages": [
                {"line": 3, "message": message.format("goes\naway")},
                {"line": 3, "message": message.format("Who")},
                {"line": 1, "message": message.format("Who")},
            ],
        },
        {"filePath": "clean.md", "messages": []},
    ]
    phrases = [terms.Avoided("Who", "x", opens=True), terms.Avoided("goes away", "x")]
    found = findings.of_report(report, {str(page): "a/b.py"}, phrases)
    assert [str(one) for one in found] == [
        "a/b.py:3: avoid “Who”; write: x",
        "a/b.py:3: avoid “goes away”; write: x",
    ]


@pytest.mark.parametrize(
    ("file", "place"),
    [
        ("README.md", "."),
        ("docs/adr/0001.md", "docs/adr"),
        ("services/auth/src/wharf_auth/routes/login.py", "services/auth/src/wharf_auth/routes"),
        ("tests/e2e/console/deep/test_x.py", "tests/e2e/console"),
    ],
)
def test_findings_are_counted_by_folder(file: str, place: str) -> None:
    """A count names packages of services, and folders of the rest."""
    assert findings.Finding(file, 1, "", "").place == place


def test_all_texts_are_checked() -> None:
    """Pages, modules and the Makefile are among the files; what a run has made is not."""
    found = {str(path) for path in sources(ROOT)}
    here = {
        "Makefile",
        "README.md",
        "docs/adr/0002-token-algorithm.md",
        "tests/unit/docs/test_words.py",
    }
    assert here <= found
    assert not any("node_modules" in name or name == "docs/mutants.md" for name in found)


def test_a_text_is_written_again_after_a_change(tmp_path: Path) -> None:
    """A newer source replaces its text; an older one does not."""
    source, target = tmp_path / "a.py", tmp_path / "build/a.py.md"
    source.write_text('"""One."""')
    write_text(source, target)
    target.write_text("kept")
    write_text(source, target)
    assert target.read_text() == "kept"
    later = target.stat().st_mtime_ns + 1
    os.utime(source, ns=(later, later))
    write_text(source, target)
    assert target.read_text() == "One."
