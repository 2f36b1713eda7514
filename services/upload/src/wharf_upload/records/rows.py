"""Rows of the table `files` to and from `File`."""

from __future__ import annotations

import msgspec

from servicekit.database import Row
from wharf_upload.records.base import File

COLUMNS = (
    "id, tenant, bucket, key, blob, size, sha256, media_type, declared_type, filename, owner, "
    "state, metadata, created_at, expires_at, active"
)
_metadata = msgspec.json.Decoder(dict[str, str])


def to_file(row: Row) -> File:
    """A file from a row of `COLUMNS`."""
    return File(
        id=row[0],
        tenant=row[1],
        bucket=row[2],
        key=row[3],
        blob=row[4],
        size=row[5],
        sha256=row[6],
        media_type=row[7],
        declared_type=row[8],
        filename=row[9],
        owner=row[10],
        state=row[11],
        metadata={} if row[12] == "{}" else _metadata.decode(row[12]),
        created_at=row[13],
        expires_at=row[14],
        active=bool(row[15]),
    )


def to_row(file: File) -> Row:
    """The parameters for `COLUMNS`."""
    return (
        file.id,
        file.tenant,
        file.bucket,
        file.key,
        file.blob,
        file.size,
        file.sha256,
        file.media_type,
        file.declared_type,
        file.filename,
        file.owner,
        file.state,
        msgspec.json.encode(file.metadata).decode() if file.metadata else "{}",
        file.created_at,
        file.expires_at,
        int(file.active),
    )
