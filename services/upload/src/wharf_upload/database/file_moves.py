"""The move of a file to another address, inside a transaction that other changes may share.

The same row gets the new address and keeps the columns of newer releases; the blob stays where it
is. So the moved file does not change the tenant's usage, and after a crash the file has either the
old address or the new one.
"""

from __future__ import annotations

import msgspec

from servicekit.database import Connection
from wharf_upload.database import file_rows, idempotency
from wharf_upload.database.buckets import require_bucket
from wharf_upload.database.file_expiry import remove
from wharf_upload.database.unit_of_work import Change, UnitOfWork
from wharf_upload.database.write_plan import free_key
from wharf_upload.domain.buckets import DEFAULT_BUCKET
from wharf_upload.domain.clock import now_milliseconds
from wharf_upload.domain.file_writes import Move, Place, Stored
from wharf_upload.domain.files import File
from wharf_upload.domain.refusals import KeyTaken, NoSuchFile, PreconditionFailed


def move(wanted: Move, place: Place) -> Change:
    """Return the change that moves a file; `place` returns the file in its new state."""

    def change(connection: Connection, unit: UnitOfWork) -> Stored:
        replay = idempotency.replay(
            connection, wanted.tenant, wanted.idempotency, unit.keys.seconds
        )
        if replay is not None:
            return replay
        if wanted.idempotency is not None:
            unit.keys.require(connection, wanted.tenant)
        at = now_milliseconds()
        old = _source(connection, wanted, at)
        if wanted.target.bucket != DEFAULT_BUCKET:
            require_bucket(connection, wanted.tenant, wanted.target.bucket)
        key, there = _target(connection, wanted, old, at)
        new = place(old, key)
        replaces = there is not None and not there.is_expired(at)
        if there is not None:
            remove(connection, unit, there, at, "file.deleted" if replaces else "file.expired")
        file_rows.move(connection, old, new)
        unit.moved(new, old.address, at)
        stored = Stored(files=(new,), created=(not replaces,))
        if wanted.idempotency is not None:
            idempotency.remember(connection, wanted.tenant, wanted.idempotency, stored)
        return stored

    return change


def _source(connection: Connection, wanted: Move, at: int) -> File:
    """Return the file to move; raises `NoSuchFile` and `PreconditionFailed`."""
    bucket, key = wanted.source.bucket, wanted.source.key
    found = file_rows.find(connection, wanted.tenant, bucket, key)
    if found is None or found.is_expired(at):
        raise NoSuchFile
    if wanted.condition is not None and not wanted.condition.allows(found.etag):
        raise PreconditionFailed
    return found


def _target(connection: Connection, wanted: Move, file: File, at: int) -> tuple[str, File | None]:
    """Return the new key of the file, and the file that has this key now, or `None`.

    Raises `KeyTaken`.
    """
    bucket, key = wanted.target.bucket, wanted.target.key
    there = file_rows.find(connection, wanted.tenant, bucket, key)
    if there is None or there.is_expired(at) or wanted.on_conflict == "replace":
        return key, there
    if wanted.on_conflict == "error":
        raise KeyTaken(key)
    moved = msgspec.structs.replace(file, bucket=bucket, key=key)
    return free_key(connection, moved, frozenset(), wanted.within), None
