"""docs/mutants.md shows the results of the last runs of `make mutants`."""

from __future__ import annotations

import ast
from functools import cache

from tests.mutants.report import PAGE, page, reasons
from tests.mutants.rooms import ROOMS


@cache
def _functions(module: str) -> frozenset[str]:
    """Return the functions of a module in a measured package, as `name` or `Class.name`."""
    paths = {name: path for room in ROOMS for name, path in room.modules()}
    tree = ast.parse(paths[module].read_bytes()) if module in paths else ast.Module([], [])
    found = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    for cls in (node for node in tree.body if isinstance(node, ast.ClassDef)):
        found |= {f"{cls.name}.{n.name}" for n in cls.body if isinstance(n, ast.FunctionDef)}
    return frozenset(found)


def test_the_page_is_what_was_found() -> None:
    """docs/mutants.md equals the page that the stored results and reasons generate."""
    assert PAGE.read_text() == page()


def test_reasons_are_given_for_code_that_is_there() -> None:
    """A reason for a place without a wildcard names an existing function."""
    places = [reason.where.partition(":") for reason in reasons() if "*" not in reason.where]
    assert [place for place in places if place[2] not in _functions(place[0])] == []


def test_each_room_has_code() -> None:
    """Each measured package has code. The test notices a package that was moved."""
    assert all(list(room.modules()) for room in ROOMS)
