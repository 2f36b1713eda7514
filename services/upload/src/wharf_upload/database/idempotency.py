"""Stores requests with an `Idempotency-Key` and their results."""

from __future__ import annotations

import msgspec

from servicekit.database import Connection
from wharf_upload.domain.clock import now_milliseconds
from wharf_upload.domain.file_writes import Idempotency, Stored
from wharf_upload.domain.files import File
from wharf_upload.domain.refusals import IdempotencyReused

_stored = msgspec.json.Decoder(Stored)


def replay(
    connection: Connection,
    tenant: str,
    idempotency: Idempotency | None,
    seconds: int,
    files: tuple[File, ...] = (),
) -> Stored | None:
    """Return the result of an equal request in the last `seconds`, or `None` for an unused key.

    An expired key counts as unused, even if the worker has not deleted its row yet. `files` are the
    files of this request. Raises `IdempotencyReused` if the first request with the key was another
    one: with another fingerprint, or other declared types or metadata of the files.
    """
    if idempotency is None:
        return None
    row = connection.row(
        "SELECT fingerprint, stored, created_at FROM idempotency "
        "WHERE tenant = ? AND subject = ? AND key = ?",
        (tenant, idempotency.subject, idempotency.key),
    )
    if row is None:
        return None
    if row[2] <= now_milliseconds() - 1000 * seconds:
        connection.execute(
            "DELETE FROM idempotency WHERE tenant = ? AND subject = ? AND key = ?",
            (tenant, idempotency.subject, idempotency.key),
        )
        return None
    stored = _stored.decode(row[1])
    if row[0] != idempotency.fingerprint or (files and _told(files) != _told(stored.files)):
        raise IdempotencyReused
    return msgspec.structs.replace(stored, replayed=True)


def _told(files: tuple[File, ...]) -> list[tuple[str | None, dict[str, str]]]:
    """Return the types and metadata that the client declared for the files.

    The service compares these values separately, because they are not part of the fingerprint. All
    releases must compute the same fingerprint, even a release that does not know these values.
    """
    return [(file.declared_type, file.metadata) for file in files]


def remember(connection: Connection, tenant: str, idempotency: Idempotency, stored: Stored) -> None:
    """Store the result of a request under its idempotency key."""
    connection.execute(
        "INSERT INTO idempotency (tenant, subject, key, fingerprint, stored, created_at) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (
            tenant,
            idempotency.subject,
            idempotency.key,
            idempotency.fingerprint,
            msgspec.json.encode(stored).decode(),
            now_milliseconds(),
        ),
    )
