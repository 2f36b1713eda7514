"""Reads a report of textlint: which file and line has which word."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from docs.words.terms import Avoided

_MESSAGE = re.compile(r"^Incorrect term: “(.+?)”, use “(.+)” instead$", re.DOTALL)


class Message(TypedDict):
    """One finding of textlint, as far as it is read here."""

    line: int
    message: str


class Result(TypedDict):
    """The findings of textlint in one file."""

    filePath: str
    messages: list[Message]


@dataclass(frozen=True, order=True)
class Finding:
    """A word to avoid, on a line of a file below the root."""

    file: str
    line: int
    found: str
    instead: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: avoid “{self.found}”; write: {self.instead}"

    @property
    def place(self) -> str:
        """Return the folder under whose name the finding is counted."""
        parts = self.file.split("/")[:-1]
        depth = 5 if parts[:1] == ["services"] else 3
        return "/".join(parts[:depth]) or "."


def of_report(
    report: Iterable[Result],
    sources: Mapping[str, str],
    phrases: Iterable[Avoided],
    root: Path,
) -> list[Finding]:
    """Return the findings of a report; `sources` names the source of each file of the report."""
    openings = {one.phrase: one for one in phrases if one.opens}
    found = []
    for result in report:
        if not result["messages"]:
            continue
        source = sources[result["filePath"]]
        lines = (root / source).read_text(encoding="utf-8").split("\n")
        for message in result["messages"]:
            one = _finding(message, source)
            if _is_wrong_here(openings.get(one.found), lines[one.line - 1].lstrip(), source):
                found.append(one)
    return sorted(found)


def _finding(message: Message, source: str) -> Finding:
    match = _MESSAGE.match(message["message"])
    if match is None:
        raise ValueError(message["message"])
    return Finding(source, message["line"], " ".join(match[1].split()), match[2])


def _is_wrong_here(opening: Avoided | None, line: str, source: str) -> bool:
    """Tell whether a phrase that textlint has found is wrong in this line of its source.

    A phrase without `opening` is wrong everywhere. Any other phrase is wrong at the beginning of a
    docstring or of a sentence; headings and cells of tables are no sentences.
    """
    if opening is None:
        return True
    if opening.of_docstring:
        return line.startswith(f'"""{opening.phrase}')
    return source.endswith(".py") or not line.startswith(("#", "|"))
