"""Keeps a folder's tests together in the random order, so that its stacks start once."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from pathlib import Path

import pytest


def grouped(folders: Iterable[tuple[str, ...]]) -> list[int]:
    """The order of items by number, given the parts of each one's folder.

    Folders come as their first items do, and what lies below a folder comes together. Items of one
    folder keep their order.
    """
    ranks: dict[tuple[str, ...], int] = {}
    keys = []
    for number, parts in enumerate(folders):
        outer = [parts[: depth + 1] for depth in range(len(parts))]
        ranked = tuple(ranks.setdefault(folder, len(ranks)) for folder in outer)
        # What lies in the folder itself comes before what lies deeper.
        keys.append((*ranked, -1, number))
    return sorted(range(len(keys)), key=keys.__getitem__)


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None, None, None]:
    """Group by folder what pytest-randomly has shuffled by module.

    It may put a module of another folder between two of one whose fixtures are a package's, and
    such a folder's servers would then start twice.
    """
    yield
    folders = [Path(item.nodeid.partition("::")[0]).parent.parts for item in items]
    items[:] = [items[number] for number in grouped(folders)]
