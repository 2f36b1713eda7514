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
    report: Iterable[Result], sources: Mapping[str, str], phrases: Iterable[Avoided]
) -> list[Finding]:
    """Return the findings of a report; `sources` names the source of each file of the report."""
    openings = {one.phrase for one in phrases if one.opens}
    found = []
    for result in report:
        if result["messages"]:
            lines = Path(result["filePath"]).read_text(encoding="utf-8").split("\n")
            source = sources[result["filePath"]]
            found += [
                _finding(message, source)
                for message in result["messages"]
                if not _is_in_a_label(message, lines[message["line"] - 1], openings)
            ]
    return sorted(found)


def _finding(message: Message, source: str) -> Finding:
    found, instead = _words(message)
    return Finding(source, message["line"], found, instead)


def _is_in_a_label(message: Message, line: str, openings: set[str]) -> bool:
    """Tell whether a phrase for beginnings of sentences is in a heading or a table."""
    return _words(message)[0] in openings and line.lstrip().startswith(("#", "|"))


def _words(message: Message) -> tuple[str, str]:
    """Return the phrase and its replacement, on one line each."""
    match = _MESSAGE.match(message["message"])
    if match is None:
        raise ValueError(message["message"])
    return " ".join(match[1].split()), match[2]
