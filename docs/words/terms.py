"""Reads the words to avoid from the glossary, and makes the configuration of textlint."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

GLOSSARY = Path(__file__).resolve().parents[1] / "glossary.md"
# The head lines of the glossary's two tables.
TERMS = "| term | meaning |"
AVOIDED = "| avoid | write |"
_QUOTES = '"""'
_CODE = re.compile(r"`([^`]+)`")
_ROW = re.compile(r"^\| (.+?) \| (.+?) \|$", re.MULTILINE)


@dataclass(frozen=True)
class Avoided:
    """A phrase that texts do not use, and the words that replace it.

    A phrase with a capital letter is wrong only with that letter. `opens` tells that the phrase is
    wrong only at the beginning of a sentence that is not a question; the glossary writes it with
    `…` after it. `of_docstring` tells that it is wrong only at the beginning of a docstring; the
    glossary also writes three quotes before it.
    """

    phrase: str
    instead: str
    opens: bool = False
    of_docstring: bool = False

    def pattern(self) -> str:
        """Return the regular expression for textlint-rule-terminology, which ignores case."""
        words = r"\s+".join(re.escape(word) for word in self.phrase.split())
        if self.phrase[0].isupper():
            words = f"(?-i:{words})"
        # The rule adds boundaries of words to a pattern unless that has a lookahead.
        return rf"\b{words}\b(?=\s)(?![^.]*\?)" if self.opens else words


def avoided(page: str) -> list[Avoided]:
    """Return the phrases of the glossary's second table, in its order."""
    found = []
    for phrases, instead in rows(page, AVOIDED):
        for phrase in _CODE.findall(phrases):
            bare = phrase.removeprefix(_QUOTES).removesuffix(" …")
            found.append(Avoided(bare, instead, phrase.endswith(" …"), phrase.startswith(_QUOTES)))
    return found


def rows(page: str, head: str) -> list[tuple[str, str]]:
    """Return the two cells of each row of the table that has this head."""
    table = page.partition(f"\n{head}\n|---|---|\n")[2].partition("\n\n")[0]
    return _ROW.findall(table)


def configuration(phrases: list[Avoided]) -> dict[str, object]:
    """Return the content of a configuration file of textlint."""
    found = [[one.pattern(), one.instead] for one in phrases]
    return {"rules": {"terminology": {"defaultTerms": False, "skip": [], "terms": found}}}
