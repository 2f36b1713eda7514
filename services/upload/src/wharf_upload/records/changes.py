"""Changes of the records inside a transaction that others may share.

A change first looks (and may refuse), then writes; a refusal therefore leaves nothing behind, and
the transaction goes on for the others of its group.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from servicekit.database import Connection
from wharf_upload.domain.conditions import WriteCondition
from wharf_upload.domain.keys import renamed
from wharf_upload.records import ticket_uses, upload_ends
from wharf_upload.records.base import (
    DEFAULT_BUCKET,
    Edit,
    File,
    Idempotency,
    IdempotencyReused,
    KeyTaken,
    NoSuchBucket,
    NoSuchFile,
    PreconditionFailed,
    QuotaExceeded,
    Stored,
    Write,
)
from wharf_upload.records.ledger import Ledger, now_milliseconds
from wharf_upload.records.rows import COLUMNS, to_file, to_row

_SELECT = f"SELECT {COLUMNS} FROM files WHERE tenant = ? AND bucket = ? AND key = ?"  # noqa: S608 -- constants only
_SELECT_EXPIRED = (
    f"SELECT {COLUMNS} FROM files WHERE tenant = ? "  # noqa: S608 -- constants only
    "AND expires_at IS NOT NULL AND expires_at <= ? ORDER BY expires_at LIMIT ?"
)
_EXPIRED_A_TIME = 1000
_UPSERT = (
    f"INSERT INTO files ({COLUMNS}) VALUES ({', '.join('?' for _ in COLUMNS.split(','))}) "  # noqa: S608 -- constants only
    "ON CONFLICT (tenant, bucket, key) DO UPDATE SET "
    + ", ".join(
        f"{name} = excluded.{name}"
        for name in COLUMNS.split(", ")
        if name not in ("tenant", "bucket", "key")
    )
)
# Not a new row in the place of the old one: columns of newer releases move along.
_MOVE = (
    f"UPDATE files SET {', '.join(f'{name} = ?' for name in COLUMNS.split(', '))} "  # noqa: S608 -- constants only
    "WHERE tenant = ? AND bucket = ? AND key = ?"
)
_stored = msgspec.json.Decoder(Stored)
# After so many taken names a random one ends the search.
_NUMBERED_NAMES = 20

Change = Callable[[Connection, Ledger], Any]


def find(connection: Connection, tenant: str, bucket: str, key: str) -> File | None:
    """The live file of a key."""
    row = connection.row(_SELECT, (tenant, bucket, key))
    return to_file(row) if row else None


def write(wanted: Write) -> Change:
    """The change that makes files visible."""

    def change(connection: Connection, ledger: Ledger) -> Stored:
        first = wanted.files[0]
        replay = _replay(connection, wanted)
        if replay is not None:
            return replay
        if first.bucket != DEFAULT_BUCKET:
            require_bucket(connection, first.tenant, first.bucket)
        if wanted.ticket is not None:
            ticket_uses.require(connection, first.tenant, wanted.ticket, len(wanted.files))
        reserved = upload_ends.reserved(connection, first.tenant, wanted.upload)
        planned = _affordable(connection, ledger, wanted, reserved)
        ledger.charges[first.tenant].subtract(reserved)
        created = tuple(_put(connection, ledger, file, old) for file, old in planned)
        stored = Stored(files=tuple(file for file, _ in planned), created=created)
        if wanted.ticket is not None:
            ticket_uses.count(connection, first.tenant, wanted.ticket, len(planned))
        if wanted.idempotency is not None:
            _remember(connection, first.tenant, wanted.idempotency, stored)
        if wanted.upload is not None:
            upload_ends.note(connection, first.tenant, wanted.upload, stored.files[0])
        return stored

    return change


def _put(connection: Connection, ledger: Ledger, file: File, old: File | None) -> bool:
    """Makes a file visible in the place of `old`; whether it is a new one."""
    at = file.created_at
    connection.execute(_UPSERT, to_row(file))
    ledger.add(file, 1)
    if old is not None:
        ledger.doom(old, at)
        if old.is_expired(at):
            ledger.event("file.expired", old, at)
    created = old is None or old.is_expired(at)
    ledger.event("file.created" if created else "file.replaced", file, at)
    return created


def _affordable(
    connection: Connection, ledger: Ledger, wanted: Write, reserved: Counter[str]
) -> list[tuple[File, File | None]]:
    """What `_plan` gives, if the tenant's quota, with what was reserved for it, admits it.

    What has expired and is not swept yet still counts: before anybody is refused, it goes.
    """
    planned = _plan(connection, wanted)
    tenant, at = wanted.files[0].tenant, wanted.files[0].created_at
    try:
        _require_quota(connection, ledger, planned, reserved)
    except QuotaExceeded:
        if not expire_tenant(tenant, at)(connection, ledger):
            raise
        planned = _plan(connection, wanted)
        _require_quota(connection, ledger, planned, reserved)
    return planned


def _require_quota(
    connection: Connection,
    ledger: Ledger,
    planned: list[tuple[File, File | None]],
    reserved: Counter[str],
) -> None:
    tenant = planned[0][0].tenant
    replaced = [old for _, old in planned if old is not None]
    ledger.allowance(connection, tenant).require(
        ledger.charges[tenant],
        sum(file.size for file, _ in planned)
        - sum(old.size for old in replaced)
        - reserved["bytes"],
        len(planned) - len(replaced) - reserved["files"],
    )


def _plan(connection: Connection, wanted: Write) -> list[tuple[File, File | None]]:
    """Each file under its final key, with the one it replaces; raises refusals, writes nothing."""
    planned: list[tuple[File, File | None]] = []
    claimed: set[str] = set()
    for file in wanted.files:
        old = find(connection, file.tenant, file.bucket, file.key)
        # An expired file that has not been swept yet does not exist, and its row is replaced.
        there = None if old is None or old.is_expired(file.created_at) else old
        if wanted.condition is not None and not wanted.condition.allows(
            there.etag if there else None
        ):
            raise PreconditionFailed(file.key)
        if there is not None or file.key in claimed:
            # Two files of one form under one key would hide each other, whatever was asked for.
            if wanted.on_conflict == "error" or (
                wanted.on_conflict == "replace" and file.key in claimed
            ):
                raise KeyTaken(file.key)
            if wanted.on_conflict == "rename":
                key = _free_key(connection, file, claimed)
                if wanted.ticket is not None and not key.startswith(wanted.ticket.prefix):
                    raise KeyTaken(file.key)  # the number would stand inside the prefix
                file = msgspec.structs.replace(  # noqa: PLW2901 -- from here on it has that key
                    file, key=key, filename=key.rpartition("/")[2]
                )
                old = None
        claimed.add(file.key)
        planned.append((file, old))
    return planned


def _free_key(connection: Connection, file: File, claimed: set[str]) -> str:
    for number in range(2, _NUMBERED_NAMES + 2):
        key = renamed(file.key, number)
        if key not in claimed and find(connection, file.tenant, file.bucket, key) is None:
            return key
    return renamed(file.key, int(file.id[-8:], 16))


def require_bucket(connection: Connection, tenant: str, bucket: str) -> None:
    """Raises `NoSuchBucket`."""
    if not connection.row("SELECT 1 FROM buckets WHERE tenant = ? AND name = ?", (tenant, bucket)):
        raise NoSuchBucket(bucket)


def _replay(connection: Connection, wanted: Write) -> Stored | None:
    idempotency = wanted.idempotency
    if idempotency is None:
        return None
    row = connection.row(
        "SELECT fingerprint, stored FROM idempotency WHERE tenant = ? AND subject = ? AND key = ?",
        (wanted.files[0].tenant, idempotency.subject, idempotency.key),
    )
    if row is None:
        return None
    if row[0] != idempotency.fingerprint:
        raise IdempotencyReused(idempotency.key)
    return msgspec.structs.replace(_stored.decode(row[1]), replayed=True)


def _remember(
    connection: Connection, tenant: str, idempotency: Idempotency, stored: Stored
) -> None:
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


def delete(tenant: str, bucket: str, key: str, condition: WriteCondition | None) -> Change:
    """The change that removes a file."""

    def change(connection: Connection, ledger: Ledger) -> File:
        at = now_milliseconds()
        old = find(connection, tenant, bucket, key)
        if old is None or old.is_expired(at):
            raise NoSuchFile(key)
        if condition is not None and not condition.allows(old.etag):
            raise PreconditionFailed(key)
        _remove(connection, ledger, old, at, "file.deleted")
        return old

    return change


def expire(tenant: str, names: Sequence[tuple[str, str]], now: int) -> Change:
    """The change that removes those files (bucket, key) of a tenant whose time is over; how many.

    All in one transaction: a million files that expire at once are not a million commits.
    """

    def change(connection: Connection, ledger: Ledger) -> int:
        found = (find(connection, tenant, bucket, key) for bucket, key in names)
        expired = [file for file in found if file is not None and file.is_expired(now)]
        for file in expired:
            _remove(connection, ledger, file, now, "file.expired")
        return len(expired)

    return change


def expire_tenant(tenant: str, now: int) -> Change:
    """The change that removes files of one tenant whose time is over, some at a time; how many."""

    def change(connection: Connection, ledger: Ledger) -> int:
        rows = connection.rows(_SELECT_EXPIRED, (tenant, now, _EXPIRED_A_TIME))
        for row in rows:
            _remove(connection, ledger, to_file(row), now, "file.expired")
        return len(rows)

    return change


def _remove(connection: Connection, ledger: Ledger, file: File, at: int, kind: str) -> None:
    connection.execute(
        "DELETE FROM files WHERE tenant = ? AND bucket = ? AND key = ?",
        (file.tenant, file.bucket, file.key),
    )
    ledger.doom(file, at)
    ledger.event(kind, file, at)


def alter(file: File, edit: Edit, condition: WriteCondition | None) -> Change:
    """The change of a file's name, metadata or expiry, or its move to another key.

    `edit` works on the file as it is inside the transaction, so that two changes of different
    things both last.
    """

    def change(connection: Connection, ledger: Ledger) -> File:
        at = now_milliseconds()
        old = find(connection, file.tenant, file.bucket, file.key)
        if old is None or old.id != file.id or old.is_expired(at):
            raise NoSuchFile(file.key)
        if condition is not None and not condition.allows(old.etag):
            raise PreconditionFailed(file.key)
        new = edit(old)
        if new.key != old.key:
            there = find(connection, new.tenant, new.bucket, new.key)
            if there is not None and not there.is_expired(at):
                raise KeyTaken(new.key)
            if there is not None:
                _remove(connection, ledger, there, at, "file.expired")
        connection.execute(_MOVE, (*to_row(new), old.tenant, old.bucket, old.key))
        ledger.event("file.changed", new, at)
        return new

    return change
