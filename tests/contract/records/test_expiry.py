"""An expired file is not found, even while its row still exists; the sweeper removes the row."""

from __future__ import annotations

import time

import msgspec
import pytest

from servicekit.database import Database
from tests.servers.upload import faults_in_counts, new_file
from wharf_upload.database import file_expiry
from wharf_upload.database.contract import Records
from wharf_upload.database.group_commit import GroupCommit
from wharf_upload.database.sql import SqlRecords
from wharf_upload.domain.conditions import WriteCondition
from wharf_upload.domain.file_writes import Write
from wharf_upload.domain.files import File
from wharf_upload.domain.quotas import Usage
from wharf_upload.domain.refusals import NoSuchFile, PreconditionFailed

_NOW = time.time_ns() // 1_000_000
_PAST, _FUTURE = _NOW - 1000, _NOW + 1_000_000


def stored(records: Records, key: str, expires_at: int | None, size: int = 1) -> File:
    file = new_file(key, size=size, created_at=_NOW, expires_at=expires_at)
    records.write(Write(files=(file,)))
    return file


def keys(records: Records, delimiter: str = "") -> list[str]:
    page = records.list_files(
        "demo", "default", prefix="", delimiter=delimiter, after="", limit=100
    )
    return sorted([*(file.key for file in page.files), *page.prefixes])


@pytest.mark.usefixtures("all_tenants")
def test_expire(records: Records, database: Database) -> None:
    """`expire` removes exactly the expired files and their usage, writes their events and marks
    their blobs as pending deletions.
    """
    over = [stored(records, f"over/{number}", _PAST, size=5) for number in range(3)]
    stored(records, "ends-now", _NOW)
    stored(records, "later", _NOW + 1)
    stored(records, "never", None)
    assert records.expire(_NOW, 100) == 4
    assert records.expire(_NOW, 100) == 0
    assert keys(records) == ["never"] or keys(records) == ["later", "never"]
    assert records.usage("demo") == Usage(2, 2)
    doomed = {entry.blob for entry in records.pending_deletion(1 << 60, 100)}
    assert {file.blob for file in over} < doomed
    assert len(doomed) == 4
    events = database.reading().rows("SELECT kind FROM events WHERE kind = 'file.expired'")
    assert len(events) == 4
    assert faults_in_counts(database) == []


def test_what_has_changed_since_it_was_found(database: Database) -> None:
    """`expire` skips files that were deleted or prolonged after a search has found them expired."""
    records = SqlRecords(database)
    stored(records, "over", _PAST)
    later = stored(records, "later", _FUTURE)
    names = [("default", key) for key in ("gone", "later", "over")]
    group = GroupCommit(database)
    assert group.run("demo", file_expiry.expire("demo", names, _NOW)) == 1
    assert records.file("demo", "default", "over") is None
    assert records.file("demo", "default", "later") == later


@pytest.mark.usefixtures("all_tenants")
def test_limit(records: Records) -> None:
    """`expire` removes at most as many files as allowed. It removes first the files that expired
    first.
    """
    for number in range(5):
        stored(records, str(number), _PAST - number)
    assert records.expire(_NOW, 2) == 2
    assert {file.key for file in records.live_files()} == {"0", "1", "2"}


def test_not_listed(records: Records) -> None:
    """Neither an expired file nor a prefix with only expired files is in a listing."""
    stored(records, "a/over", _PAST)
    stored(records, "b/later", _FUTURE)
    stored(records, "over", _PAST)
    assert keys(records) == ["b/later"]
    assert keys(records, "/") == ["b/"]


def test_not_listed_within_grants(records: Records) -> None:
    """A listing within grants leaves out folders that have only expired files."""
    stored(records, "a/over", _PAST)
    stored(records, "b/later", _FUTURE)
    page = records.list_files(
        "demo", "default", prefix="", delimiter="/", after="", limit=100, within=("a/", "b/", "c/")
    )
    assert page.prefixes == ("b/",)


def test_replaced(records: Records, database: Database) -> None:
    """With `on_conflict="error"` or If-None-Match, a key whose file has expired counts as free.
    With If-Match, such a key counts as a key without a file.
    """
    for number, key in enumerate(("a", "b", "c")):
        stored(records, key, _PAST, size=number)
    new = [new_file(key, created_at=_NOW) for key in ("a", "b")]
    records.write(Write(files=(new[0],), on_conflict="error"))
    records.write(Write(files=(new[1],), condition=WriteCondition(must_not_exist=True)))
    with pytest.raises(PreconditionFailed):
        records.write(
            Write(
                files=(new_file("c", created_at=_NOW),), condition=WriteCondition(must_exist=True)
            )
        )
    assert records.file("demo", "default", "a") == new[0]
    assert faults_in_counts(database) == []


def test_deleted(records: Records) -> None:
    """Deleting an expired file raises `NoSuchFile`."""
    stored(records, "a", _PAST)
    with pytest.raises(NoSuchFile):
        records.delete("demo", "default", "a", None)


def test_moved_onto(records: Records, database: Database) -> None:
    """A file can be moved to a key whose file has expired."""
    stored(records, "over", _PAST, size=7)
    file = stored(records, "a", None)
    moved = records.change(file, lambda seen: msgspec.structs.replace(seen, key="over"), None)
    assert records.file("demo", "default", "over") == moved
    assert records.usage("demo") == Usage(1, 1)
    assert faults_in_counts(database) == []
