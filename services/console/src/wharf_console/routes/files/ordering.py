"""The order of a list.

The API lists files by key; the console sorts a limited number of files in another order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from wharf_console.api import files
from wharf_console.api.files import File, Listing
from wharf_console.api.session import Session

ROWS = 100
#: The most files that the API lists in one page. The console does not sort further files.
SORTED_ROWS = 1000
BY_KEY = "name"
_ORDERS: dict[str, tuple[Callable[[File], Any], bool]] = {
    "newest": (lambda file: file.created_at, True),
    "oldest": (lambda file: file.created_at, False),
    "largest": (lambda file: file.size, True),
    "smallest": (lambda file: file.size, False),
}
ORDERS = (BY_KEY, *_ORDERS)


class Rows(NamedTuple):
    """A page of a list, folders first; `next` is the `place` of the next page, empty at the end.

    `all_sorted` is false if the folder has more files than the console sorts.
    """

    prefixes: Sequence[str]
    files: Sequence[File]
    next: str
    is_first: bool
    all_sorted: bool = True


def rows(session: Session, bucket: str, prefix: str, order: str, place: str) -> Rows:
    """Return a page. `place` is the API's cursor, or a page's number if the order is not by key."""
    if order not in _ORDERS:
        page = files.listed(session, bucket, prefix=prefix, cursor=place, limit=ROWS)
        return Rows(page.prefixes, page.files, page.next_cursor or "", not place)
    return _sorted(files.listed(session, bucket, prefix=prefix, limit=SORTED_ROWS), order, place)


def _sorted(page: Listing, order: str, place: str) -> Rows:
    key, descending = _ORDERS[order]
    entries: list[str | File] = [*page.prefixes, *sorted(page.files, key=key, reverse=descending)]
    last = max(0, len(entries) - 1) // ROWS
    number = min(int(place), last) if place.isdecimal() and len(place) < 4 else 0
    shown = entries[number * ROWS : (number + 1) * ROWS]
    return Rows(
        [one for one in shown if isinstance(one, str)],
        [one for one in shown if isinstance(one, File)],
        str(number + 1) if number < last else "",
        number == 0,
        page.next_cursor is None,
    )
