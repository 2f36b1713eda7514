"""Conversion between rows of the table `uploads` and `Upload`."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from servicekit.database import Connection, Row
from wharf_upload.domain.files import File
from wharf_upload.domain.refusals import UploadGone
from wharf_upload.domain.resumable_upload import Upload, UploadOptions

COLUMNS = (
    "id, tenant, subject, bucket, key, length, concat, options, discard_from, reserved_bytes, "
    "file, created_at, expires_at, replica"
)
_options, _file = msgspec.json.Decoder(UploadOptions), msgspec.json.Decoder(File)


def find(connection: Connection, tenant: str, identifier: str) -> Upload | None:
    """Return the upload with this id of the tenant, with its parts, or `None`."""
    row = connection.row(
        f"SELECT {COLUMNS} FROM uploads WHERE id = ? AND tenant = ?",  # noqa: S608 -- constants only
        (identifier, tenant),
    )
    if row is None:
        return None
    parts = (
        connection.rows(
            "SELECT part FROM upload_parts WHERE tenant = ? AND final = ? ORDER BY position",
            (tenant, identifier),
        )
        if row[6] == "final"
        else []
    )
    return to_upload(row, tuple(part[0] for part in parts))


def reserved(connection: Connection, upload: Upload) -> int:
    """Return the current reservation of an unfinished upload, from its row.

    Raises `UploadGone`.
    """
    row = connection.row(
        "SELECT reserved_bytes FROM uploads WHERE tenant = ? AND id = ? AND file IS NULL",
        (upload.tenant, upload.id),
    )
    if row is None:
        raise UploadGone
    reserved: int = row[0]
    return reserved


def options_with_digests(
    connection: Connection, upload: Upload, digests: Mapping[str, bytes]
) -> str:
    """Return the options of an unfinished upload with other digests, in the format of the row.

    Options that a newer release has stored stay. Raises `UploadGone`.
    """
    row = connection.row(
        "SELECT options FROM uploads WHERE tenant = ? AND id = ? AND file IS NULL",
        (upload.tenant, upload.id),
    )
    if row is None:
        raise UploadGone
    options = {**msgspec.json.decode(row[0]), "digests": digests}
    return msgspec.json.encode(options).decode()


def to_row(upload: Upload) -> Row:
    """Return the row of an upload: the values for `COLUMNS`."""
    return (
        upload.id,
        upload.tenant,
        upload.subject,
        upload.bucket,
        upload.key,
        upload.length,
        upload.concat,
        msgspec.json.encode(upload.options).decode(),
        upload.discard_from,
        upload.reserved_bytes,
        None if upload.file is None else msgspec.json.encode(upload.file).decode(),
        upload.created_at,
        upload.expires_at,
        upload.replica,
    )


def to_upload(row: Row, parts: tuple[str, ...]) -> Upload:
    """Return the upload of a row that has the columns `COLUMNS`."""
    return Upload(
        id=row[0],
        tenant=row[1],
        subject=row[2],
        bucket=row[3],
        key=row[4],
        length=row[5],
        concat=row[6],
        parts=parts,
        options=_options.decode(row[7]),
        discard_from=row[8],
        reserved_bytes=row[9],
        file=None if row[10] is None else _file.decode(row[10]),
        created_at=row[11],
        expires_at=row[12],
        replica=row[13],
    )


def ticket_of_slices(options: str) -> str | None:
    """Return the id of the ticket of an upload in slices; empty if it has no ticket.

    Return `None` if the upload does not arrive in slices.
    """
    slicing = _options.decode(options).slicing
    return None if slicing is None else slicing.ticket
