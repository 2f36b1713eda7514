"""Limits to the random order of tests: the tests of a folder stay together, so that
their stacks start once.

A module that is marked as a `story` keeps its own order. Its tests are the steps of one way through
an installation that takes minutes to make, such as a stack's life from `up` to `down`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from pathlib import Path

import pytest


def grouped(folders: Iterable[tuple[str, ...]]) -> list[int]:
    """Return the order of items by number, given the parts of each item's folder.

    Folders are in the order of their first items, with everything below a folder together. Items of
    one folder keep their order.
    """
    ranks: dict[tuple[str, ...], int] = {}
    keys = []
    for number, parts in enumerate(folders):
        outer = [parts[: depth + 1] for depth in range(len(parts))]
        ranked = tuple(ranks.setdefault(folder, len(ranks)) for folder in outer)
        # Items in the folder itself come before items in deeper folders.
        keys.append((*ranked, -1, number))
    return sorted(range(len(keys)), key=keys.__getitem__)


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None, None, None]:
    """Group by folder what pytest-randomly has shuffled by module, and keep stories in order.

    pytest-randomly may put a module of another folder between two modules of a folder with fixtures
    of package scope, and then the servers of that folder would start twice.
    """
    yield
    folders = [Path(_module(item)).parent.parts for item in items]
    items[:] = [items[number] for number in grouped(folders)]
    stories: dict[str, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("story"):
            stories.setdefault(_module(item), []).append(item)
    steps = {module: iter(sorted(found, key=_line)) for module, found in stories.items()}
    items[:] = [
        next(steps[_module(item)]) if item.get_closest_marker("story") else item for item in items
    ]


def _line(item: pytest.Item) -> int:
    return item.location[1] or 0


def _module(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]
