"""Finds the texts for people in source files, as Markdown with the same line numbers."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator

# Comments that programs read: linters, type checkers, interpreters.
_FOR_PROGRAMS = re.compile(r"#(?:!|:)|# ?(?:noqa|type:|pragma|mypy:|ruff:|fmt:|-\*-)")
# The help of a target, as `make help` shows it.
_MAKE_HELP = re.compile(r"^[\w .-]+:.*?## (.+)$")
_OPENING = re.compile(r'^[rRbBuU]*("""|\'\'\'|"|\')')


def of_python(source: str) -> str:
    """Return the docstrings and comments of a Python file; each stays on its line.

    All other lines are empty, so Markdown takes each text for a separate paragraph.
    """
    lines = [""] * (source.count("\n") + 1)
    for number, text in (*_comments(source), *_docstrings(source)):
        lines[number - 1] = text
    return "\n".join(lines)


def of_makefile(source: str) -> str:
    """Return the help of the targets of a Makefile; each stays on its line."""
    found = (_MAKE_HELP.match(line) for line in source.split("\n"))
    # Two targets in a row are two sentences, not one.
    return "\n".join(f"- {match[1]}" if match else "" for match in found)


def _docstrings(source: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of each docstring with their numbers, without quotes and indentation."""
    lines = source.split("\n")
    for node in ast.walk(ast.parse(source)):
        if not isinstance(
            node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        ) or not ast.get_docstring(node, clean=False):
            continue
        string = node.body[0]
        first, last = string.lineno, string.end_lineno or string.lineno
        text = lines[first - 1 : last]
        text[-1] = text[-1].rstrip()
        text[0] = text[0].lstrip()
        quotes = _OPENING.match(text[0])
        if quotes is None:  # a docstring in the line of its function: `def a(): "..."`
            continue
        text[0] = text[0].removeprefix(quotes[0])
        text[-1] = text[-1].partition("  #")[0].rstrip().removesuffix(quotes[1])
        margin = " " * string.col_offset
        yield from enumerate((line.removeprefix(margin) for line in text), start=first)


def _comments(source: str) -> Iterator[tuple[int, str]]:
    """Yield the text of each comment that people read, with its line number."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and not _FOR_PROGRAMS.match(token.string):
            yield token.start[0], token.string.lstrip("# ")
