"""Changes of the records, inside a transaction that other changes may share.

A change first reads (and may refuse), then writes. So a refusal leaves nothing in the transaction
except the removal of expired rows, and the other changes of the group can continue.
"""

from __future__ import annotations

from servicekit.database import Connection
from wharf_upload.database import file_rows, idempotency, ticket_uses, upload_ends, write_plan
from wharf_upload.database.buckets import require_bucket
from wharf_upload.database.file_expiry import remove
from wharf_upload.database.file_rows import find
from wharf_upload.database.unit_of_work import Change, UnitOfWork
from wharf_upload.domain.buckets import DEFAULT_BUCKET
from wharf_upload.domain.clock import now_milliseconds
from wharf_upload.domain.conditions import WriteCondition
from wharf_upload.domain.file_writes import Stored, Write
from wharf_upload.domain.files import Edit, File
from wharf_upload.domain.refusals import KeyTaken, NoSuchFile, PreconditionFailed


def write(wanted: Write) -> Change:
    """Return the change that makes files visible."""

    def change(connection: Connection, unit: UnitOfWork) -> Stored:
        first = wanted.files[0]
        replay = idempotency.replay(
            connection, first.tenant, wanted.idempotency, unit.keys.seconds, wanted.files
        )
        if replay is not None:
            _end_upload(connection, unit, wanted, replay)
            return replay
        if wanted.idempotency is not None:
            unit.keys.require(connection, first.tenant)
        if first.bucket != DEFAULT_BUCKET:
            require_bucket(connection, first.tenant, first.bucket)
        if wanted.ticket is not None:
            ticket_uses.require(connection, first.tenant, wanted.ticket, len(wanted.files))
        reserved = upload_ends.reserved(connection, first.tenant, wanted.upload)
        planned = write_plan.affordable(connection, unit, wanted, reserved)
        unit.charges[first.tenant].subtract(reserved)
        created = tuple(_put(connection, unit, file, old) for file, old in planned)
        stored = Stored(files=tuple(file for file, _ in planned), created=created)
        if wanted.ticket is not None:
            ticket_uses.count(connection, first.tenant, wanted.ticket, len(planned))
        if wanted.idempotency is not None:
            idempotency.remember(connection, first.tenant, wanted.idempotency, stored)
        if wanted.upload is not None:
            upload_ends.note(connection, first.tenant, wanted.upload, stored.files[0])
        return stored

    return change


def _end_upload(connection: Connection, unit: UnitOfWork, wanted: Write, replay: Stored) -> None:
    """End a repeated request's resumable upload; the upload becomes the first request's file."""
    if wanted.upload is not None:
        tenant = wanted.files[0].tenant
        unit.charges[tenant].subtract(upload_ends.reserved(connection, tenant, wanted.upload))
        upload_ends.note(connection, tenant, wanted.upload, replay.files[0])


def _put(connection: Connection, unit: UnitOfWork, file: File, old: File | None) -> bool:
    """Make a file visible in place of `old`; return whether no live file had this key."""
    at = file.created_at
    file_rows.upsert(connection, file)
    unit.add(file, 1)
    if old is not None:
        unit.mark_pending_deletion(old, at)
        if old.is_expired(at):
            unit.event("file.expired", old, at)
    created = old is None or old.is_expired(at)
    unit.event("file.created" if created else "file.replaced", file, at)
    return created


def delete(tenant: str, bucket: str, key: str, condition: WriteCondition | None) -> Change:
    """Return the change that removes a file."""

    def change(connection: Connection, unit: UnitOfWork) -> File:
        at = now_milliseconds()
        old = find(connection, tenant, bucket, key)
        if old is None or old.is_expired(at):
            raise NoSuchFile
        if condition is not None and not condition.allows(old.etag):
            raise PreconditionFailed
        remove(connection, unit, old, at, "file.deleted")
        return old

    return change


def alter(file: File, edit: Edit, condition: WriteCondition | None) -> Change:
    """Return the change of a file's name, metadata or expiry, or its move to another key.

    `edit` receives the file as it is inside the transaction, so that two concurrent changes of
    different fields both persist.
    """

    def change(connection: Connection, unit: UnitOfWork) -> File:
        at = now_milliseconds()
        old = find(connection, file.tenant, file.bucket, file.key)
        if old is None or old.id != file.id or old.is_expired(at):
            raise NoSuchFile
        if condition is not None and not condition.allows(old.etag):
            raise PreconditionFailed
        new = edit(old)
        is_moved = new.key != old.key
        if is_moved:
            there = find(connection, new.tenant, new.bucket, new.key)
            if there is not None and not there.is_expired(at):
                raise KeyTaken(new.key)
            if there is not None:
                remove(connection, unit, there, at, "file.expired")
        file_rows.move(connection, old, new)
        if is_moved:
            unit.moved(new, old.address, at, kind="file.changed")
        else:
            unit.event("file.changed", new, at)
        return new

    return change
