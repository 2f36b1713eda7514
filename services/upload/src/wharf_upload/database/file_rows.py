"""Conversion between rows of the table `files` and `File`."""

from __future__ import annotations

import msgspec

from servicekit.database import Connection, Row
from wharf_upload.domain.files import File

COLUMNS = (
    "id, tenant, bucket, key, blob, size, sha256, media_type, declared_type, filename, owner, "
    "state, metadata, created_at, expires_at, active"
)
_SELECT = f"SELECT {COLUMNS} FROM files WHERE tenant = ? AND bucket = ? AND key = ?"  # noqa: S608 -- constants only
# Update the row instead of inserting a new row, so that the columns of newer releases keep their
# values.
_MOVE = (
    f"UPDATE files SET {', '.join(f'{name} = ?' for name in COLUMNS.split(', '))} "  # noqa: S608 -- constants only
    "WHERE tenant = ? AND bucket = ? AND key = ?"
)
_UPSERT = (
    f"INSERT INTO files ({COLUMNS}) VALUES ({', '.join('?' for _ in COLUMNS.split(','))}) "  # noqa: S608 -- constants only
    "ON CONFLICT (tenant, bucket, key) DO UPDATE SET "
    + ", ".join(
        f"{name} = excluded.{name}"
        for name in COLUMNS.split(", ")
        if name not in ("tenant", "bucket", "key")
    )
)
# The suffix of the type column for text that may not be UTF-8. Releases that do not know the suffix
# send it as a parameter of the type.
_NOT_UTF8 = "; charset=unknown"
_metadata = msgspec.json.Decoder(dict[str, str])


def to_file(row: Row) -> File:
    """Return the file of a row that has the columns `COLUMNS`."""
    return File(
        id=row[0],
        tenant=row[1],
        bucket=row[2],
        key=row[3],
        blob=row[4],
        size=row[5],
        sha256=row[6],
        media_type=row[7].removesuffix(_NOT_UTF8),
        declared_type=row[8],
        filename=row[9],
        owner=row[10],
        state=row[11],
        metadata={} if row[12] == "{}" else _metadata.decode(row[12]),
        created_at=row[13],
        expires_at=row[14],
        active=bool(row[15]),
        utf8=not row[7].endswith(_NOT_UTF8),
    )


def to_row(file: File) -> Row:
    """Return the row of a file: the values for `COLUMNS`."""
    return (
        file.id,
        file.tenant,
        file.bucket,
        file.key,
        file.blob,
        file.size,
        file.sha256,
        file.media_type if file.utf8 else file.media_type + _NOT_UTF8,
        file.declared_type,
        file.filename,
        file.owner,
        file.state,
        msgspec.json.encode(file.metadata).decode() if file.metadata else "{}",
        file.created_at,
        file.expires_at,
        int(file.active),
    )


def find(connection: Connection, tenant: str, bucket: str, key: str) -> File | None:
    """Return the file with a key, or `None`; the file may have expired."""
    row = connection.row(_SELECT, (tenant, bucket, key))
    return to_file(row) if row else None


def upsert(connection: Connection, file: File) -> None:
    """Write the file's row; replace the row with the same key, if there is one."""
    connection.execute(_UPSERT, to_row(file))


def move(connection: Connection, old: File, new: File) -> None:
    """Update the row of the file `old` to the state `new`, which may have another address.

    Columns of newer releases keep their values (ADR 34).
    """
    connection.execute(_MOVE, (*to_row(new), old.tenant, old.bucket, old.key))


def delete(connection: Connection, file: File) -> None:
    """Delete the file's row."""
    connection.execute(
        "DELETE FROM files WHERE tenant = ? AND bucket = ? AND key = ?",
        (file.tenant, file.bucket, file.key),
    )
