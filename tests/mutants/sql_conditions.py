"""Removal of tenant conditions from SQL statements, one at a time.

A statement without a condition still has the same parameters and runs on both engines:
`tenant = ?` becomes `(tenant = ? OR tenant IS NOT NULL)`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from servicekit.database.postgres import _PostgresConnection
from servicekit.database.sqlite import _SqliteConnection

# A value of SET follows SET or a comma, so it is no condition.
_CONDITION = re.compile(
    r"(?:\bWHERE|\bAND|\bON|\() ?"
    r"(?P<all>(?P<column>(?:\w+\.)?tenant) = (?:\?|\w+\.(?:tenant|name)))"
    r"|(?:\bWHERE|\bAND|\bON) (?P<join>(?P<name>\w+\.name) = \w+\.tenant)"
)
# A statement on the table of tenants, in which the column `name` identifies the tenant.
_OF_TENANTS = re.compile(r"\b(?:FROM|UPDATE) tenants\b(?! t\b)")
_BY_NAME = re.compile(r"\bWHERE (?P<all>(?P<column>name) = \?)")
_MANY = re.compile(r"(\(\?(?:, \?)*\))(?:, \(\?(?:, \?)*\))+|\?(?:, \?)+")
_DATABASE = "/servicekit/database/"
_METHODS = ("rows", "row", "execute", "execute_many")
_CONNECTIONS: tuple[type[Any], ...] = (_SqliteConnection, _PostgresConnection)


@dataclass(frozen=True, order=True, slots=True)
class Mutant:
    """A statement in the short form of `normalised`, and the number of the condition to remove."""

    statement: str
    number: int

    def __str__(self) -> str:
        start, _, _ = list(_spans(self.statement))[self.number]
        return f"{self.statement[:start]}>>> {self.statement[start:]}"


def normalised(sql: str) -> str:
    """Return the statement on one line, in one form for any number of values."""
    return _MANY.sub("?…", " ".join(sql.split())).replace("IN (?)", "IN (?…)")


def mutants_of(sql: str) -> list[Mutant]:
    """Return a mutant for each tenant condition of a statement."""
    short = normalised(sql)
    return [Mutant(short, number) for number, _ in enumerate(_spans(short))]


def without(sql: str, number: int) -> str:
    """Return the statement on one line, with an addition that cancels the tenant condition
    `number`.
    """
    line = " ".join(sql.split())
    start, end, column = list(_spans(line))[number]
    return f"{line[:start]}({line[start:end]} OR {column} IS NOT NULL){line[end:]}"


def _spans(line: str) -> Iterator[tuple[int, int, str]]:
    """Yield begin, end and column of each condition, in order."""
    patterns = [_CONDITION, _BY_NAME] if _OF_TENANTS.search(line) else [_CONDITION]
    found: list[tuple[int, int, str]] = []
    for pattern in patterns:
        for match in pattern.finditer(line):
            group, column = ("all", "column") if match["all"] else ("join", "name")
            found.append((*match.span(group), match[column]))
    yield from sorted(found)


@contextmanager
def passing_through(change: Callable[[str], str]) -> Iterator[None]:
    """Pass every statement of the product through `change` before either engine runs it."""
    kept = [(kind, name, getattr(kind, name)) for kind in _CONNECTIONS for name in _METHODS]
    for kind, name, method in kept:
        setattr(kind, name, _changed(method, change))
    try:
        yield
    finally:
        for kind, name, method in kept:
            setattr(kind, name, method)


def _changed(method: Callable[..., Any], change: Callable[[str], str]) -> Callable[..., Any]:
    def run(
        connection: object,
        sql: str,
        parameters: Sequence[object] | Iterable[Sequence[object]] = (),
    ) -> Any:
        return method(connection, change(sql) if _is_of_product() else sql, parameters)

    return run


def _is_of_product() -> bool:
    """Tell whether the statement comes from the product, and not from a test that reads rows."""
    frame = sys._getframe(2)
    while frame.f_back is not None and _DATABASE in frame.f_code.co_filename:
        frame = frame.f_back
    return "/tests/" not in frame.f_code.co_filename
