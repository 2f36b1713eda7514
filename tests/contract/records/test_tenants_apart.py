"""A tenant that names an object of another tenant neither reads nor changes it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from servicekit.database import Database
from tests.contract.records.test_kept_links import kept, listed
from tests.contract.records.test_reservations import clock, needs, new, seen
from tests.contract.records.test_row_limits import limited
from tests.servers.unfinished import end_of, new_upload
from tests.servers.upload import faults_in_counts, new_file
from wharf_upload.database import surplus
from wharf_upload.database.reservations import SqlReservations
from wharf_upload.database.sql import SqlRecords
from wharf_upload.domain.file_writes import Write
from wharf_upload.domain.kept_links import LinkFilter
from wharf_upload.domain.quotas import Usage
from wharf_upload.domain.refusals import UploadGone
from wharf_upload.domain.resumable_upload import Upload
from wharf_upload.domain.tenant_limits import Limits

__all__ = ["clock", "new"]

_CHANGES: dict[str, Callable[[SqlRecords, Upload], object]] = {
    "announce_length": lambda records, upload: records.uploads.announce_length(upload, 20),
    "announce_digests": lambda records, upload: records.uploads.announce_digests(
        upload, {"sha-256": b"x"}
    ),
    "reserve": lambda records, upload: records.uploads.reserve(upload, 20),
    "progress": lambda records, upload: records.uploads.progress(
        upload, expires_at=9_000, discard_from=1, size=20
    ),
    "end": lambda records, upload: records.write(
        Write(
            files=(new_file("a.bin", tenant=upload.tenant, size=10),),
            upload=end_of(upload),
        )
    ),
}


@pytest.mark.parametrize("change", _CHANGES)
def test_an_upload_of_another(records: SqlRecords, database: Database, change: str) -> None:
    """A tenant that knows the id of another tenant's upload can neither change it nor end
    it with a file.
    """
    upload = new_upload(length=None, reserved_bytes=5)
    records.uploads.create(upload)
    with pytest.raises(UploadGone):
        _CHANGES[change](records, msgspec.structs.replace(upload, tenant="other"))
    assert records.uploads.get("demo", upload.id) == upload
    assert records.usage("other") == Usage(0, 0)
    assert records.usage("demo") == Usage(5, 1)
    assert faults_in_counts(database) == []


def test_an_upload_of_another_stays(records: SqlRecords, database: Database) -> None:
    """A tenant cannot remove, give up or prolong another tenant's upload, and its parts stay."""
    parts = tuple(new_upload(4, concat="partial") for _ in range(2))
    final = new_upload(None, concat="final", parts=tuple(part.id for part in parts))
    for upload in (*parts, final):
        records.uploads.create(upload)
    foreign = msgspec.structs.replace(final, tenant="other")
    records.uploads.renew(foreign, 9_000)
    assert not records.uploads.remove(foreign)
    assert not records.uploads.give_up(foreign)
    assert records.uploads.get("demo", final.id) == final
    assert records.uploads.remove(final)
    assert faults_in_counts(database) == []


def test_parts_of_another(records: SqlRecords, database: Database) -> None:
    """A final upload that names another tenant's part neither uses its reservation nor ends it."""
    part = new_upload(4, concat="partial", tenant="other")
    final = new_upload(6, concat="final", parts=(part.id,))
    for upload in (part, final):
        records.uploads.create(upload)
    records.write(Write(files=(new_file("a.bin", size=6),), upload=end_of(final)))
    assert records.uploads.get("other", part.id) == part
    assert records.usage("demo") == Usage(6, 1)
    assert records.usage("other") == Usage(4, 1)
    assert faults_in_counts(database) == []


def test_links_with_the_same_id(records: SqlRecords) -> None:
    """A search by target finds a link by its own target.

    The target of another tenant's link with the same id does not count.
    """
    mine = kept(records, "a.txt")
    kept(records, "b.txt", tenant="other", id=mine.id)
    assert listed(records, LinkFilter(bucket="photos", key="a.txt")) == [mine.id]
    assert listed(records, LinkFilter(bucket="photos", key="b.txt")) == []


def test_surplus_of_one(database: Database) -> None:
    """A tenant's surplus is counted without rows of other tenants, and its
    oldest rows are dropped.
    """
    records = limited(database)
    for key in range(6):
        records.write(Write(files=(new_file(str(key)),)))
    before = records.events("demo", 0, 10)
    assert surplus.drop_events(database, "demo", 4) == 2
    assert records.events("demo", 0, 10) == before[2:]


def test_limits_of_another(records: SqlRecords) -> None:
    """A tenant without its own limits has the defaults, even if other tenants have limits."""
    records.put_limits("other", Limits(max_files=7))
    assert records.limits("demo") == Limits()
    records.put_limits("demo", Limits(max_bytes=5))
    assert records.limits("demo") == Limits(max_bytes=5)
    assert records.limits("other") == Limits(max_files=7)


def test_tickets_with_the_same_id(new: Callable[[], SqlReservations]) -> None:
    """Reservations of a ticket do not count for another tenant's ticket with the same id."""
    reservations = new()
    reservations.reserve("other", "t1", needs())
    assert seen(reservations, "demo", "t1").ticket_bodies == 0
    reservations.reserve("demo", "t1", needs())
    assert seen(reservations, "demo", "t1").ticket_bodies == 1


def test_what_is_written_counts_once(new: Callable[[], SqlReservations]) -> None:
    """The number of written bytes is the same for a body with a ticket and for
    a body without one.
    """
    reservations = new()
    reservations.note_written(0, 0)
    reservations.reserve("demo", "t1", needs())
    reservations.note_written(100, 1)
    found = seen(reservations, "demo", "t1")
    assert (found.written_bytes, found.written_inodes) == (100, 1)
    assert found.written_bytes == seen(reservations, "demo").written_bytes


def test_folders_of_another(records: SqlRecords) -> None:
    """A folder that only other tenants have is not listed, even if the reach
    contains the folder.
    """
    for key in ("a/1", "b/1"):
        records.write(Write(files=(new_file(key),)))
    records.delete("demo", "default", "b/1", None)
    page = records.list_files(
        "demo", "default", prefix="", delimiter="/", after="", limit=9, within=("a/", "b/")
    )
    assert page.prefixes == ("a/",)
