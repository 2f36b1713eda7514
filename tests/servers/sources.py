"""What files of Python import and define; each is parsed once in a process."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

#: Where a statement has others.
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


class Function(NamedTuple):
    """A function or method, and how many lines it has, decorators not counted."""

    name: str
    lines: int


@dataclass(frozen=True)
class Source:
    """What tests of the checkout ask for, however deep it is in the file."""

    imports: tuple[ast.Import, ...]
    imports_from: tuple[ast.ImportFrom, ...]
    functions: tuple[Function, ...]


@cache
def source(path: Path) -> Source:
    """Return what is in the file."""
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
    # No expression has statements, so this leaves out most of what `ast.walk` sees.
    for block in _BLOCKS:
        inner = getattr(node, block, ())
        for child in inner if isinstance(inner, list) else ():
            yield child
            yield from _statements(child)
