"""The imports and definitions of Python files. Each file is parsed once in a process."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

#: The fields of a statement that contain other statements.
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


class Function(NamedTuple):
    """A function or method, and its number of lines without decorators."""

    name: str
    lines: int


@dataclass(frozen=True)
class Source:
    """The parts of a file that tests of the checkout need. Nested parts are included."""

    imports: tuple[ast.Import, ...]
    imports_from: tuple[ast.ImportFrom, ...]
    functions: tuple[Function, ...]


@cache
def source(path: Path) -> Source:
    """Return the imports and functions of the file."""
    found = list(_statements(ast.parse(path.read_bytes())))
    return Source(
        tuple(one for one in found if isinstance(one, ast.Import)),
        tuple(one for one in found if isinstance(one, ast.ImportFrom)),
        tuple(
            Function(one.name, (one.end_lineno or 0) - one.lineno + 1)
            for one in found
            if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)
        ),
    )


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    # Expressions contain no statements, so this skips most of the nodes that `ast.walk` visits.
    for block in _BLOCKS:
        inner = getattr(node, block, ())
        for child in inner if isinstance(inner, list) else ():
            yield child
            yield from _statements(child)
