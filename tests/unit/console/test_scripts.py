"""Sources of the console's scripts: policy, texts, and names that scripts and pages share."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[3] / "services/console/src/wharf_console"
SOURCES = sorted((PACKAGE / "static/src").glob("*.js"))
MACROS = (PACKAGE / "templates/macros/upload_tray.html").read_text()
# Code that Trusted Types or the pages' policy would refuse, or that leaves text unescaped.
FORBIDDEN = re.compile(
    r"\b(innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|"
    r"setAttribute\(\"(?:on|style)|createContextualFragment|srcdoc)\b|https?://"
)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_script_needs_more_than_the_policy_allows(path: Path) -> None:
    """No script makes HTML, code or inline style from text, and no script names another site."""
    assert FORBIDDEN.findall(path.read_text()) == []


def test_one_module_makes_html() -> None:
    """Only one module parses HTML, and it uses the policy that the pages name."""
    makers = [path.name for path in SOURCES if "DOMParser" in path.read_text()]
    assert makers == ["trusted.js"]
    (maker,) = (path for path in SOURCES if path.name == "trusted.js")
    assert 'createPolicy("wharf"' in maker.read_text()


def _words() -> set[str]:
    """Return the names of all words that the list of uploads shows."""
    rows = (PACKAGE / "static/src/rows.js").read_text()
    uploads = (PACKAGE / "static/src/uploads.js").read_text()
    table = rows[rows.index("const ACTIONS") : rows.index("};")]
    states = set(re.findall(r"^  (\w+): \[", table, re.MULTILINE))
    actions = set(re.findall(r'"(\w+)"', table))
    named = set(re.findall(r'word\(this\.#tray, "(\w+)"', rows + uploads))
    return states | actions | named


def test_every_word_is_in_the_page() -> None:
    """The tray of uploads contains exactly the words that its scripts show."""
    given = set(re.findall(r"data-word-(\w+)=", MACROS))
    assert given == _words()


def test_the_box_says_each_state() -> None:
    """The box of the live channel has translated words for each state of its script."""
    box = (PACKAGE / "templates/macros/live.html").read_text()
    live = (PACKAGE / "static/src/live.js").read_text()
    words = dict(re.findall(r'data-word-(\w+)="(.*?)"[>\n]', box))
    states = {*re.findall(r'#become\("(\w+)"\)', live), "paused"}
    assert words.keys() == states
    assert all("_(" in value for value in words.values())
    assert set(re.findall(r"(?<![{%]){(\w+)}", "".join(words.values()))) == {"seconds"}


def test_every_word_is_translated() -> None:
    """The words of the tray are translated and have only placeholders that scripts fill in."""
    values = re.findall(r'data-word-\w+="(.*?)"\n', MACROS + "\n")
    assert values
    assert all("_(" in value for value in values)
    assert set(re.findall(r"(?<![{%]){(\w+)}", "".join(values))) == {
        "done",
        "total",
        "name",
        "failed",
    }
