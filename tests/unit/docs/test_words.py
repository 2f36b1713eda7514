"""Words that texts avoid: the table in the glossary, the texts of files, textlint's report."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from docs.words import __main__ as words
from docs.words import findings, terms, texts
from docs.words.__main__ import ROOT, sources, write_text

GLOSSARY = terms.GLOSSARY.read_text(encoding="utf-8")


@pytest.mark.parametrize("head", [terms.TERMS, terms.AVOIDED])
def test_the_glossary_is_sorted(head: str) -> None:
    """The rows of both glossary tables are in alphabetical order, and no two rows begin with the
    same term.
    """
    first = [row[0].split("`, `")[0].strip('`"').lower() for row in terms.rows(GLOSSARY, head)]
    assert len(first) > 10
    assert first == sorted(set(first))


def test_each_avoided_word_has_one_replacement() -> None:
    """No phrase is in the table twice, and each row has phrases in backticks and a replacement."""
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
    """A phrase is found across lines and in any case.

    With `opens` a phrase is found only at the beginning of a sentence.
    """
    assert (re.search(phrase.pattern(), text, re.IGNORECASE) is not None) is found


def test_the_table_is_read_from_the_page() -> None:
    """A row of the table may have several phrases. Marks say at which places a phrase is wrong."""
    page = f'\n{terms.AVOIDED}\n|---|---|\n| `a b`, `C …`, `"""D …` | d |\n\n| `e` | f |\n'
    assert terms.avoided(page) == [
        terms.Avoided("a b", "d"),
        terms.Avoided("C", "d", opens=True),
        terms.Avoided("D", "d", opens=True, of_docstring=True),
    ]


def test_texts_of_a_module_stay_on_their_lines() -> None:
    """A module's text has its docstrings and comments, without quotes, on the same lines.

    The text has no code and no directives.
    """
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
    """The help text of a target of make is a list item, because two targets are two sentences."""
    assert texts.of_makefile("x := 1\na b: c ## Make it\n\t@d ## no help\n") == "\n- Make it\n\n"


SENTENCE = terms.Avoided("Who", "x", opens=True)
DOCSTRING = terms.Avoided("Whether", "x", opens=True, of_docstring=True)


def _report(page: Path, *found: tuple[int, str]) -> list[findings.Result]:
    message = "Incorrect term: “{}”, use “x” instead"
    messages: list[findings.Message] = [
        {"line": line, "message": message.format(word)} for line, word in found
    ]
    return [{"filePath": str(page), "messages": messages}, {"filePath": "b", "messages": []}]


def _found(tmp_path: Path, name: str, text: str, *found: tuple[int, str]) -> list[str]:
    (tmp_path / name).write_text(text)
    report = _report(tmp_path / "x", *found)
    sources = {str(tmp_path / "x"): name}
    phrases = [SENTENCE, DOCSTRING, terms.Avoided("goes away", "x")]
    return [str(one) for one in findings.of_report(report, sources, phrases, tmp_path)]


def test_a_report_names_lines_of_the_source(tmp_path: Path) -> None:
    """The report names the line of a phrase; the beginning of a heading or a cell is no finding."""
    found = ((3, "goes\naway"), (3, "Who"), (1, "Who"), (5, "Who"))
    assert _found(tmp_path, "a.md", "# Who may\n\nWho goes\naway.\n| Who | x |\n", *found) == [
        "a.md:3: avoid “Who”; write: x",
        "a.md:3: avoid “goes away”; write: x",
    ]


def test_a_docstring_begins_otherwise_than_a_comment(tmp_path: Path) -> None:
    """Some words are wrong only at the beginning of a docstring."""
    text = '    """Whether it is.\n    """\n    # Whether it is.\n    # Who is it.\n'
    found = ((1, "Whether"), (3, "Whether"), (4, "Who"))
    assert _found(tmp_path, "a.py", text, *found) == [
        "a.py:1: avoid “Whether”; write: x",
        "a.py:4: avoid “Who”; write: x",
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
    """Findings are counted by package for services, and by folder for other files."""
    assert findings.Finding(file, 1, "", "").place == place


def test_all_texts_are_checked() -> None:
    """Pages, modules and the Makefile are checked; generated results and packages are not."""
    found = {str(path) for path in sources(ROOT)}
    here = {
        "Makefile",
        "README.md",
        "docs/adr/0002-token-algorithm.md",
        "tests/unit/docs/test_words.py",
    }
    assert here <= found
    assert not any("node_modules" in name or name == "docs/mutants.md" for name in found)


@pytest.mark.parametrize("missing", ["NODE", "TEXTLINT"])
def test_a_check_without_textlint(
    missing: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A check ends with one line that names `make prose` if a part of textlint is not installed."""
    for program in ("NODE", "TEXTLINT"):
        monkeypatch.setattr(words, program, Path("/bin/false"))
    monkeypatch.setattr(words, missing, tmp_path / "none")
    monkeypatch.setattr(words, "BUILD", tmp_path)
    with pytest.raises(SystemExit) as ended:
        words.check([])
    assert ended.value.code == "textlint is not installed: run `make prose`, which installs it"


def test_a_text_is_written_again_after_a_change(tmp_path: Path) -> None:
    """The text of a source is written again only if the source is newer than the text."""
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
