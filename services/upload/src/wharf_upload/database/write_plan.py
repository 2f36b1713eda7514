"""Plans a write: the keys of its files, the files that it replaces, and the check of the quota."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container

import msgspec

from servicekit.database import Connection
from wharf_upload.database.file_expiry import expire_tenant
from wharf_upload.database.file_rows import find
from wharf_upload.database.unit_of_work import UnitOfWork
from wharf_upload.domain.file_writes import Write
from wharf_upload.domain.files import File
from wharf_upload.domain.keys import renamed
from wharf_upload.domain.refusals import KeyTaken, PreconditionFailed, QuotaExceeded

# After this many occupied numbered names, a random name ends the search.
_NUMBERED_NAMES = 20
Plan = list[tuple[File, File | None]]
"""Each file with its final key, and the file that it replaces."""


def affordable(
    connection: Connection, unit: UnitOfWork, wanted: Write, reserved: Counter[str]
) -> Plan:
    """Return the plan of a write if the tenant's quota permits the write.

    `reserved` are the `bytes` and `files` that the upload has reserved. Expired files count in the
    quota until their rows are removed, so this function removes expired files before it refuses a
    write. Raises `QuotaExceeded`, `KeyTaken` and `PreconditionFailed`.
    """
    planned = _plan(connection, wanted)
    tenant, at = wanted.files[0].tenant, wanted.files[0].created_at
    try:
        _require_quota(connection, unit, planned, reserved)
    except QuotaExceeded:
        if not expire_tenant(tenant, at)(connection, unit):
            raise
        planned = _plan(connection, wanted)
        _require_quota(connection, unit, planned, reserved)
    return planned


def _require_quota(
    connection: Connection,
    unit: UnitOfWork,
    planned: Plan,
    reserved: Counter[str],
) -> None:
    tenant = planned[0][0].tenant
    replaced = [old for _, old in planned if old is not None]
    unit.allowance(connection, tenant).require(
        unit.charges[tenant],
        sum(file.size for file, _ in planned)
        - sum(old.size for old in replaced)
        - reserved["bytes"],
        len(planned) - len(replaced) - reserved["files"],
    )


def _plan(connection: Connection, wanted: Write) -> Plan:
    """Return the plan without checking the quota; raises `KeyTaken` and `PreconditionFailed`."""
    planned: Plan = []
    claimed: set[str] = set()
    for file in wanted.files:
        old = find(connection, file.tenant, file.bucket, file.key)
        # An expired file counts as absent even while its row exists; the write replaces the row.
        there = None if old is None or old.is_expired(file.created_at) else old
        if wanted.condition is not None and not wanted.condition.allows(
            there.etag if there else None
        ):
            raise PreconditionFailed
        if there is not None or file.key in claimed:
            # Two files of one form with the same key would replace each other, so this is refused
            # with any `on_conflict` but `rename`.
            if wanted.on_conflict == "error" or (
                wanted.on_conflict == "replace" and file.key in claimed
            ):
                raise KeyTaken(file.key)
            if wanted.on_conflict == "rename":
                planned.append((_renamed(connection, file, claimed, wanted.within), None))
                claimed.add(planned[-1][0].key)
                continue
        claimed.add(file.key)
        planned.append((file, old))
    return planned


def _renamed(
    connection: Connection, file: File, claimed: set[str], within: tuple[str, ...] | None
) -> File:
    key = free_key(connection, file, claimed, within)
    return msgspec.structs.replace(file, key=key, filename=key.rpartition("/")[2])


def free_key(
    connection: Connection,
    file: File,
    claimed: Container[str],
    within: tuple[str, ...] | None,
) -> str:
    """Return a new key that is derived from the file's key, is free, and is not in `claimed`.

    Raises `KeyTaken` unless the new key begins with one of the prefixes `within`; `None` permits
    all keys.
    """
    key = _free_key(connection, file, claimed)
    if within is not None and not key.startswith(within):
        raise KeyTaken(file.key)  # The number changed a part of the key that belongs to the prefix.
    return key


def _free_key(connection: Connection, file: File, claimed: Container[str]) -> str:
    for number in range(2, _NUMBERED_NAMES + 2):
        key = renamed(file.key, number)
        if key not in claimed and find(connection, file.tenant, file.bucket, key) is None:
            return key
    return renamed(file.key, int(file.id[-8:], 16))
