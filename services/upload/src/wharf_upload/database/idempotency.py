"""Requests with an `Idempotency-Key`, and what came of them."""

from __future__ import annotations

import msgspec

from servicekit.database import Connection
from wharf_upload.domain.clock import now_milliseconds
from wharf_upload.domain.file_writes import Idempotency, Stored
from wharf_upload.domain.refusals import IdempotencyReused

_stored = msgspec.json.Decoder(Stored)


def replay(connection: Connection, tenant: str, idempotency: Idempotency | None) -> Stored | None:
    """Return what came of the same request before; raises `IdempotencyReused`."""
    if idempotency is None:
        return None
    row = connection.row(
        "SELECT fingerprint, stored FROM idempotency WHERE tenant = ? AND subject = ? AND key = ?",
        (tenant, idempotency.subject, idempotency.key),
    )
    if row is None:
        return None
    if row[0] != idempotency.fingerprint:
        raise IdempotencyReused(idempotency.key)
    return msgspec.structs.replace(_stored.decode(row[1]), replayed=True)


def remember(connection: Connection, tenant: str, idempotency: Idempotency, stored: Stored) -> None:
    """Note what came of a request."""
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
