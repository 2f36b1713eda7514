"""Listing by key: seeks in the index, so a page costs the same at ten rows and at ten million."""

from __future__ import annotations

from dataclasses import dataclass

from servicekit.database import Connection, Row
from wharf_upload.database.file_rows import COLUMNS, to_file
from wharf_upload.domain.files import File, Page

# Sorts after everything that can follow a prefix: a key of 1024 bytes has no more of the last code
# point than 256.
_LAST = "\U0010ffff" * 257
# No key has a NUL: nothing sorts between a key and the same with this behind it.
_FIRST = "\x01"
# One lower bound: of two, SQLite seeks to the one it likes and reads on from there to the other.
_PAGE = (
    f"SELECT {COLUMNS} FROM files WHERE tenant = ? AND bucket = ? "  # noqa: S608 -- constants only
    "AND key >= ? AND key < ? AND (expires_at IS NULL OR expires_at > ?) "
    "ORDER BY key LIMIT ?"
)


@dataclass(frozen=True, slots=True)
class _Living:
    """The files of a bucket that live at `now` (unix milliseconds), with a prefix of their keys."""

    connection: Connection
    tenant: str
    bucket: str
    prefix: str
    now: int

    def after(self, position: str, count: int) -> list[Row]:
        begin, end = max(self.prefix, position + _FIRST), self.prefix + _LAST
        parameters = (self.tenant, self.bucket, begin, end, self.now, count)
        return self.connection.rows(_PAGE, parameters)


def page(
    connection: Connection,
    tenant: str,
    bucket: str,
    *,
    prefix: str,
    delimiter: str,
    after: str,
    limit: int,
    now: int,
) -> Page:
    """Return one page of what lives at `now` (unix milliseconds).

    `after` is a key, or a prefix whose keys have all been listed.
    """
    living = _Living(connection, tenant, bucket, prefix, now)
    files: list[File] = []
    prefixes: list[str] = []
    position = after + _LAST if _folder(after, prefix, delimiter) == after else after
    # Behind a delimiter most rows may be of a folder that is one entry: begin small, then double.
    batch = 1 if delimiter else limit
    while len(files) + len(prefixes) < limit:
        batch = min(batch, limit - len(files) - len(prefixes))
        rows = living.after(position, batch)
        for row in rows:
            file = to_file(row)
            folder = _folder(file.key, prefix, delimiter)
            if folder is None:
                files.append(file)
                position = after = file.key
                continue
            prefixes.append(folder)
            after, position = folder, folder + _LAST
            batch = 1
            break  # seek past the rest of this folder, however many keys it has
        else:
            if len(rows) < batch:
                return Page(tuple(files), tuple(prefixes), None)
            batch *= 2
    return Page(tuple(files), tuple(prefixes), after if living.after(position, 1) else None)


def _folder(key: str, prefix: str, delimiter: str) -> str | None:
    if not delimiter:
        return None
    at = key.find(delimiter, len(prefix))
    return None if at < 0 else key[: at + len(delimiter)]
