"""Listing by key. A page costs the same in a bucket of ten files and of ten million files.

Each query searches in the index of keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from servicekit.database import Connection, Row
from servicekit.pages import PAGE_BYTES
from wharf_upload.database.file_rows import COLUMNS, to_file
from wharf_upload.database.listed_areas import FIRST, LAST, Area, Areas
from wharf_upload.domain.files import File, Page

# A page may reach its limit of bytes long before it has the requested number of files.
_ROWS_AT_FIRST = 256
# The query has one lower bound: with two, SQLite searches for one of them and then reads all rows
# up to the other.
_PAGE = (
    f"SELECT {COLUMNS} FROM files WHERE tenant = ? AND bucket = ? "  # noqa: S608 -- constants only
    "AND key >= ? AND key < ? AND (expires_at IS NULL OR expires_at > ?) "
    "ORDER BY key LIMIT ?"
)


@dataclass(frozen=True, slots=True)
class _Living:
    """The files of a bucket that have not expired at `now` (unix milliseconds)."""

    connection: Connection
    tenant: str
    bucket: str
    now: int

    def after(self, area: Area, position: str, count: int) -> list[Row]:
        begin, end = max(area.prefix, position + FIRST), area.prefix + LAST
        parameters = (self.tenant, self.bucket, begin, end, self.now, count)
        return self.connection.rows(_PAGE, parameters)


class Asked(NamedTuple):
    """The parameters of a page.

    `after` is a key, or a prefix if the previous page already listed all of its keys. Only keys
    that begin with one of the prefixes `within` count; `within` is sorted, and no prefix in it
    begins with another one.
    """

    prefix: str
    delimiter: str
    after: str
    limit: int
    within: Sequence[str]


class _Draft:
    """A page that is being filled.

    `after` is the last entry of the page so far. The next query reads only keys after `position`.
    """

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self.files: list[File] = []
        self.prefixes: list[str] = []
        self.after = self.position = asked.after
        if self.folder(asked.after) == asked.after:
            self.position += LAST
        # With a delimiter, most rows may belong to one folder, which is one entry. So the first
        # batch is one row, and each next batch is twice as large.
        self.batch = 1 if asked.delimiter else _ROWS_AT_FIRST
        self._bytes = 0

    @property
    def room(self) -> int:
        if self._bytes >= PAGE_BYTES:
            return 0
        return self._asked.limit - len(self.files) - len(self.prefixes)

    def folder(self, key: str) -> str | None:
        """Return the folder under which the page lists a key; `None` if it lists the key itself."""
        delimiter = self._asked.delimiter
        at = key.find(delimiter, len(self._asked.prefix)) if delimiter else -1
        return None if at < 0 else key[: at + len(delimiter)]

    def add_folder(self, folder: str) -> None:
        """Add a folder and skip the rest of its keys, however many there are."""
        self.prefixes.append(folder)
        self.after, self.position = folder, folder + LAST
        self.batch = 1

    def add(self, rows: list[Row]) -> bool:
        """Add rows until the first folder or the page's limit.

        Return false if the method stopped at a folder, otherwise true.
        """
        for row in rows:
            file = to_file(row)
            folder = self.folder(file.key)
            if folder is not None:
                self.add_folder(folder)
                return False
            self.files.append(file)
            self.position = self.after = file.key
            self._bytes += file.listed_bytes
            if self._bytes >= PAGE_BYTES:
                break
        return True

    def page(self, *, goes_on: bool) -> Page:
        return Page(tuple(self.files), tuple(self.prefixes), self.after if goes_on else None)


def page(connection: Connection, tenant: str, bucket: str, asked: Asked, now: int) -> Page:
    """Return one page of the files that have not expired at `now` (unix milliseconds)."""
    living = _Living(connection, tenant, bucket, now)
    areas = Areas(connection, tenant, bucket, now, _both(asked.prefix, asked.within))
    draft = _Draft(asked)
    while (area := areas.next(draft.position)) is not None:
        _fill(draft, living, area)
        if not draft.room:
            goes_on = bool(
                (not area.is_passed(draft.position) and living.after(area, draft.position, 1))
                or areas.next(draft.position)
            )
            return draft.page(goes_on=goes_on)
    return draft.page(goes_on=False)


def _fill(draft: _Draft, living: _Living, area: Area) -> None:
    """Add the files of an area until the page is full."""
    folder = None if area.first_key is None else draft.folder(area.first_key)
    if folder is not None:
        draft.add_folder(folder)
    while draft.room and not area.is_passed(draft.position):
        draft.batch = min(draft.batch, draft.room)
        rows = living.after(area, draft.position, draft.batch)
        if not draft.add(rows):
            continue
        if len(rows) < draft.batch:
            return
        draft.batch *= 2


def _both(prefix: str, within: Sequence[str]) -> tuple[str, ...]:
    """Return the prefixes of the keys that begin with `prefix` and with one of `within`."""
    if prefix.startswith(tuple(within)):
        return (prefix,)
    return tuple(one for one in within if one.startswith(prefix))
