"""Listing by key: seeks in the index, so a page costs the same at ten rows and at ten million."""

from __future__ import annotations

from servicekit.database import Connection
from wharf_upload.records.base import File, Page
from wharf_upload.records.rows import COLUMNS, to_file

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
    """One page of what lives at `now` (unix milliseconds).

    `after` is a key, or a prefix whose keys have all been listed.

    With a delimiter, the keys behind one prefix are passed over with a seek, however many.
    """
    files: list[File] = []
    prefixes: list[str] = []
    position, end = after, prefix + _LAST
    if _folder(after, prefix, delimiter) == after:
        position = after + _LAST
    # Behind a delimiter most rows may be of a folder that is one entry: begin small, then double.
    batch = 1 if delimiter else limit
    while len(files) + len(prefixes) < limit:
        batch = min(batch, limit - len(files) - len(prefixes))
        begin = max(prefix, position + _FIRST)
        rows = connection.rows(_PAGE, (tenant, bucket, begin, end, now, batch))
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
            break  # seek past the rest of this folder
        else:
            if len(rows) < batch:
                return Page(tuple(files), tuple(prefixes), None)
            batch *= 2
    begin = max(prefix, position + _FIRST)
    more = connection.row(_PAGE, (tenant, bucket, begin, end, now, 1))
    return Page(tuple(files), tuple(prefixes), after if more else None)


def _folder(key: str, prefix: str, delimiter: str) -> str | None:
    if not delimiter:
        return None
    at = key.find(delimiter, len(prefix))
    return None if at < 0 else key[: at + len(delimiter)]
