"""Reads lists of the API that are split into pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Entry = TypeVar("Entry")
# The most entries on a page of the API; a page of large entries has fewer.
_LARGEST = 1000


def entries(
    page: Callable[[str, int], tuple[Sequence[Entry], str | None]], at_most: int
) -> Iterator[Entry]:
    """Yield up to `at_most` entries of a list in its order, in as few calls as possible.

    `page` gets a cursor and a limit, and returns entries and the cursor of the next page.
    """
    cursor: str | None = ""
    while at_most > 0 and cursor is not None:
        found, cursor = page(cursor, min(at_most, _LARGEST))
        yield from found
        at_most -= len(found)
