"""Records of resumable uploads: reserved, completed, forgotten."""

from __future__ import annotations

from typing import Any

import pytest

from servicekit.database import Database
from tests.servers.unfinished import end_of, new_upload
from tests.servers.upload import faults_in_counts, new_file
from wharf_upload.database.sql import SqlRecords
from wharf_upload.domain.file_writes import Idempotency, Write
from wharf_upload.domain.refusals import QuotaExceeded, UploadGone
from wharf_upload.domain.resumable_upload import Slicing, UploadOptions
from wharf_upload.domain.tenant_limits import Limits


def test_what_was_kept_comes_back(records: SqlRecords) -> None:
    """An upload is read as it was written. Another tenant cannot read the upload."""
    options = UploadOptions(
        declared_type="text/plain",
        on_conflict="error",
        digests={"sha-256": b"\0x"},
        metadata={"author": "王小明"},
        idempotency=Idempotency(subject="c", key="k", fingerprint="f"),
    )
    upload = new_upload(options=options, concat="final", parts=("b" * 32, "a" * 32))
    finished = new_upload(file=new_file("a.bin"), discard_from=3)
    for one in (upload, finished):
        records.uploads.create(one)
        assert records.uploads.get("demo", one.id) == one
        assert records.uploads.get("other", one.id) is None


def test_under_way(records: SqlRecords) -> None:
    """Unfinished uploads are listed in the order of ids, page by page, of one tenant or of one of
    its callers.
    """
    mine = sorted((new_upload() for _ in range(3)), key=lambda one: one.id)
    theirs = new_upload(subject="user-2")
    finished, other = new_upload(), new_upload(tenant="other")
    for upload in (*mine, theirs, finished, other):
        records.uploads.create(upload)
    records.write(Write(files=(new_file("a.bin", size=10),), upload=end_of(finished)))
    every = records.uploads.under_way("demo", subject=None, after="", limit=10)
    assert every == sorted((*mine, theirs), key=lambda one: one.id)
    own = records.uploads.under_way("demo", subject="client-1", after="", limit=2)
    assert own == mine[:2]
    rest = records.uploads.under_way("demo", subject="client-1", after=own[-1].id, limit=2)
    assert rest == mine[2:]
    assert records.uploads.under_way("demo", subject="nobody", after="", limit=2) == []


def test_reserved_until_the_end(records: SqlRecords, database: Database) -> None:
    """The reservation of an upload becomes the charge of its file in one commit."""
    upload = new_upload(10)
    records.uploads.create(upload)
    assert (records.usage("demo").bytes, records.usage("demo").files) == (10, 1)
    records.write(Write(files=(new_file("a.bin", size=10),), upload=end_of(upload)))
    assert (records.usage("demo").bytes, records.usage("demo").files) == (10, 1)
    found = records.uploads.get("demo", upload.id)
    assert found is not None
    assert found.file is not None
    assert (found.file.key, found.expires_at) == ("a.bin", 2_000)
    assert faults_in_counts(database) == []


def test_the_quota_holds_uploads(records: SqlRecords) -> None:
    """An upload above the quota is not created, and a reserved upload is not refused at its end."""
    records.put_limits("demo", Limits(max_bytes=15))
    upload = new_upload(10)
    records.uploads.create(upload)
    with pytest.raises(QuotaExceeded):
        records.uploads.create(new_upload(6))
    records.write(Write(files=(new_file("a.bin", size=10),), upload=end_of(upload)))
    assert records.usage("demo").bytes == 10


def test_length_that_comes_later(records: SqlRecords, database: Database) -> None:
    """An upload of unknown length reserves its received bytes, and later its announced length."""
    upload = new_upload(None)
    records.uploads.create(upload)
    records.uploads.progress(upload, expires_at=5_000, discard_from=None, size=7)
    assert records.usage("demo").bytes == 7
    current = records.uploads.get("demo", upload.id)
    assert current is not None
    assert records.uploads.announce_length(current, 20).reserved_bytes == 20
    assert records.usage("demo").bytes == 20
    assert faults_in_counts(database) == []


def test_digests_that_come_later(records: SqlRecords) -> None:
    """Digests that a later request announces are stored in addition to the
    options of the creation.
    """
    upload = new_upload(options=UploadOptions(echo="e"))
    records.uploads.create(upload)
    digests = {"sha-256": b"\0x", "sha-512": b"y"}
    changed = records.uploads.announce_digests(upload, digests)
    assert changed.options == UploadOptions(echo="e", digests=digests)
    assert records.uploads.get("demo", upload.id) == changed
    records.uploads.remove(upload)
    with pytest.raises(UploadGone):
        records.uploads.announce_digests(upload, digests)


def test_removed_uploads_give_back(records: SqlRecords, database: Database) -> None:
    """A removed upload does not count any more, and can be removed only once."""
    upload = new_upload(10)
    records.uploads.create(upload)
    assert records.uploads.remove(upload)
    assert not records.uploads.remove(upload)
    assert records.usage("demo").bytes == 0
    assert faults_in_counts(database) == []


def test_a_finished_upload_is_given_up_by_nobody(records: SqlRecords, database: Database) -> None:
    """Giving up an upload that another replica has finished keeps its row."""
    upload = new_upload(10)
    records.uploads.create(upload)
    records.write(Write(files=(new_file("a.bin", size=10),), upload=end_of(upload)))
    assert not records.uploads.give_up(upload)
    assert records.uploads.get("demo", upload.id) is not None
    assert faults_in_counts(database) == []


def test_an_unfinished_upload_can_be_given_up(records: SqlRecords, database: Database) -> None:
    """An upload that is given up is forgotten and does not count any more."""
    upload = new_upload(10)
    records.uploads.create(upload)
    assert records.uploads.give_up(upload)
    assert records.uploads.get("demo", upload.id) is None
    assert records.usage("demo").bytes == 0
    assert faults_in_counts(database) == []


def test_parts_end_with_their_whole(records: SqlRecords, database: Database) -> None:
    """Partial uploads count until a final upload joins them. The commit that
    joins them removes them.
    """
    parts = [new_upload(4, concat="partial"), new_upload(6, concat="partial")]
    for part in parts:
        records.uploads.create(part)
    names = tuple(part.id for part in parts)
    final = new_upload(None, concat="final", parts=names)
    records.uploads.create(final)
    assert [found.id for found in records.uploads.finals_of("demo", parts[0].id)] == [final.id]
    records.write(Write(files=(new_file("a.bin", size=10),), upload=end_of(final)))
    assert [records.uploads.get("demo", name) for name in names] == [None, None]
    assert (records.usage("demo").bytes, records.usage("demo").files) == (10, 1)
    assert faults_in_counts(database) == []


@pytest.mark.usefixtures("all_tenants")
def test_expired_ones_are_found(records: SqlRecords) -> None:
    """`expired` returns exactly the expired uploads, oldest first."""
    old, older, young = (new_upload(expires_at=at) for at in (500, 400, 900))
    for upload in (old, older, young):
        records.uploads.create(upload)
    assert records.uploads.expired(500, 10) == [older, old]
    assert records.uploads.expired(500, 1) == [older]


@pytest.mark.usefixtures("all_tenants")
def test_replica_of_an_upload(records: SqlRecords, database: Database) -> None:
    """The replica of an upload is stored, and `expired` can select the uploads of one replica. Rows
    of an older release have an empty replica.
    """
    shared, here, there = (
        new_upload(expires_at=at, replica=replica)
        for at, replica in ((300, ""), (400, "10.0.0.1:8089"), (500, "10.0.0.2:8089"))
    )
    for upload in (shared, here, there):
        records.uploads.create(upload)
        assert records.uploads.get("demo", upload.id) == upload
    found = records.uploads.expired(500, 10, replica="10.0.0.1:8089")
    assert [one.id for one in found] == [here.id]
    assert records.uploads.expired(399, 10, replica="10.0.0.1:8089") == []
    assert len(records.uploads.expired(500, 10)) == 3
    with database.transaction() as connection:
        connection.execute(
            "INSERT INTO uploads (id, tenant, subject, bucket, key, concat, options, "
            "reserved_bytes, created_at, expires_at) "
            "VALUES (?, 'demo', '', '', '', '', '{}', 0, 1, 1)",
            ("0" * 32,),
        )
    older = records.uploads.get("demo", "0" * 32)
    assert older is not None
    assert older.replica == ""


def test_known_while_unfinished(records: SqlRecords) -> None:
    """An upload is known exactly while it is unfinished."""
    upload = new_upload(10)
    records.uploads.create(upload)
    assert records.uploads.known(upload.id)
    records.write(Write(files=(new_file("a.bin", size=10),), upload=end_of(upload)))
    assert not records.uploads.known(upload.id)
    assert not records.uploads.known("0" * 32)


def test_an_upload_that_repeats_a_request(records: SqlRecords, database: Database) -> None:
    """An upload with the Idempotency-Key of a stored file gets this file as its result.

    The usage of the tenant does not grow.
    """
    once = Idempotency(subject="client-1", key="k", fingerprint="f")
    (first,) = records.write(Write(files=(new_file("a.bin", size=10),), idempotency=once)).files
    upload = new_upload(10)
    records.uploads.create(upload)
    again = Write(files=(new_file("a.bin", size=10),), idempotency=once, upload=end_of(upload))
    stored = records.write(again)
    assert (stored.replayed, stored.files) == (True, (first,))
    found = records.uploads.get("demo", upload.id)
    assert found is not None
    assert (found.file, found.reserved_bytes, found.expires_at) == (first, 0, 2_000)
    assert (records.usage("demo").bytes, records.usage("demo").files) == (10, 1)
    assert faults_in_counts(database) == []


def test_files_that_come_in_slices(records: SqlRecords) -> None:
    """`takes_slices` finds an unfinished upload in slices by tenant, subject, bucket, ticket and
    least size.
    """
    slicing = Slicing(slice_bytes=4, ticket="t")
    records.uploads.create(new_upload(10, options=UploadOptions(slicing=slicing)))
    for options in (UploadOptions(echo='"slicing":'), UploadOptions(metadata={"slicing": "t"})):
        records.uploads.create(new_upload(90, options=options))

    def takes(**changed: Any) -> bool:
        asked = {"tenant": "demo", "subject": "client-1", "bucket": "default", "ticket": "t"}
        return records.uploads.takes_slices(**{**asked, "least_bytes": 10, **changed})

    assert takes()
    assert takes(least_bytes=0)
    assert not takes(least_bytes=11)
    assert not takes(ticket="")
    assert not takes(ticket="u")
    assert not takes(tenant="other")
    assert not takes(subject="somebody else")
    assert not takes(bucket="photos")
