"""Row limits after commits of several files: each kind of change drops surplus rows."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
import pytest

from servicekit.database import Database
from tests.contract.records.test_row_limits import limited, settled
from tests.servers.unfinished import new_upload
from tests.servers.upload import new_file
from wharf_upload.database.sql import SqlRecords
from wharf_upload.domain.file_writes import Move, UploadEnd, Write
from wharf_upload.domain.files import FileAddress

_NOW = time.time_ns() // 1_000_000
_HERE, _THERE = FileAddress("default", "0"), FileAddress("default", "new")
_FILE = new_file("0")
_CHANGES: dict[str, Callable[[SqlRecords], object]] = {
    "write": lambda records: records.write(Write(files=(new_file("new"),))),
    "change": lambda records: records.change(
        _FILE, lambda file: msgspec.structs.replace(file, filename="b"), None
    ),
    "move": lambda records: records.move(
        Move(tenant="demo", source=_HERE, target=_THERE),
        lambda file, key: msgspec.structs.replace(file, key=key),
    ),
    "delete": lambda records: records.delete("demo", "default", "0", None),
    "expire": lambda records: records.expire(_NOW, 1),
    "expire one tenant": lambda records: records.expire_tenant("demo", _NOW),
}


@pytest.mark.usefixtures("all_tenants")
@pytest.mark.parametrize("change", _CHANGES.values(), ids=_CHANGES)
def test_too_many_events_go(
    database: Database, records: SqlRecords, change: Callable[[SqlRecords], object]
) -> None:
    """After any kind of change of a file a tenant has no more events than allowed."""
    others = (new_file(str(number)) for number in range(1, 15))
    expired = new_file("over", created_at=_NOW, expires_at=_NOW - 1)
    records.write(Write(files=(_FILE, *others, expired)))
    own = limited(database, events=10)
    change(own)
    assert len(settled(lambda: own.events("demo", 0, 100), 10)) == 10


@pytest.mark.usefixtures("all_tenants")
def test_each_file_counts(database: Database, records: SqlRecords) -> None:
    """A commit of several files counts one event for each file."""
    records.write(Write(files=tuple(new_file(str(number)) for number in range(305))))
    own = limited(database, events=300)
    own.write(Write(files=tuple(new_file(f"new {number}") for number in range(3))))
    assert len(settled(lambda: own.events("demo", 0, 1000), 300)) == 300


def test_too_many_ended_uploads_go(database: Database) -> None:
    """The records remember the newest ended uploads, at most as many as the
    limit of idempotency keys.
    """
    records = limited(database, idempotency_keys=1)
    ended = [new_upload(0) for _ in range(3)]
    for number, upload in enumerate(ended):
        records.uploads.create(upload)
        end = UploadEnd(id=upload.id, parts=(), expires_at=1_000 + number)
        records.write(Write(files=(new_file("a.bin", size=0),), upload=end))

    def remembered() -> list[str]:
        return [one.id for one in ended if records.uploads.get("demo", one.id) is not None]

    assert settled(remembered, 1) == [ended[-1].id]
