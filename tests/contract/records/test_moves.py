"""Contract of the records for files that move to other addresses."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from servicekit.database import Database
from tests.servers.upload import faults_in_counts, new_file
from wharf_upload.database.sql import SqlRecords
from wharf_upload.domain.buckets import Bucket, Policy
from wharf_upload.domain.clock import now_milliseconds
from wharf_upload.domain.conditions import WriteCondition
from wharf_upload.domain.file_writes import Idempotency, Move, Place, Stored, Write
from wharf_upload.domain.files import File, FileAddress
from wharf_upload.domain.quotas import Usage
from wharf_upload.domain.refusals import (
    IdempotencyReused,
    KeyTaken,
    NoSuchBucket,
    NoSuchFile,
    PreconditionFailed,
)

ONCE = Idempotency(subject="client-1", key="once", fingerprint="f")


def stored(records: SqlRecords, key: str, **changes: object) -> File:
    """Write a file and return it."""
    file = new_file(key, **changes)  # type: ignore[arg-type]
    records.write(Write(files=(file,)))
    return file


def to(bucket: str) -> Place:
    """Return a function that gives a file this bucket and the key in the function's argument, and
    changes nothing else.
    """
    return lambda file, key: msgspec.structs.replace(file, bucket=bucket, key=key)


def moved(
    records: SqlRecords, source: str, target: str, bucket: str = "default", **how: object
) -> Stored:
    """Move a file from the bucket `default`, and return the result."""
    wanted = Move(
        tenant="demo",
        source=FileAddress("default", source),
        target=FileAddress(bucket, target),
        **how,  # type: ignore[arg-type]
    )
    return records.move(wanted, to(bucket))


@pytest.fixture
def archive(records: SqlRecords) -> str:
    """Add another bucket and return its name."""
    records.put_bucket(Bucket(tenant="demo", name="archive", policy=Policy(), created_at=0))
    return "archive"


def kinds(records: SqlRecords) -> list[str]:
    """Return the kinds of all events."""
    return [event.kind for event in records.events("demo", 0, 100)]


def test_a_move(records: SqlRecords, database: Database, archive: str) -> None:
    """A moved file is only at its new address, with its blob and id, and the
    usage does not change.
    """
    file = stored(records, "a.txt", size=5)
    done = moved(records, "a.txt", "b.txt", archive)
    assert done.files[0] == msgspec.structs.replace(file, bucket=archive, key="b.txt")
    assert (done.created, done.replayed) == ((True,), False)
    assert records.file("demo", "default", "a.txt") is None
    assert records.file("demo", archive, "b.txt") == done.files[0]
    assert records.usage("demo") == Usage(5, 1)
    assert records.pending_deletion(1 << 60, 10) == []
    assert records.known_blobs([("demo", file.blob)]) == {("demo", file.blob)}
    event = records.events("demo", 0, 10)[-1]
    assert (event.kind, event.file, event.moved_from) == (
        "file.moved",
        done.files[0],
        FileAddress("default", "a.txt"),
    )
    assert faults_in_counts(database) == []


def test_a_taken_key(records: SqlRecords, database: Database) -> None:
    """If the target has a file, `on_conflict` decides: the move is refused, gets another key,
    or replaces the file.
    """
    file, other = stored(records, "a.txt", size=5), stored(records, "b.txt", size=7)
    with pytest.raises(KeyTaken, match=r"b\.txt"):
        moved(records, "a.txt", "b.txt")
    assert records.file("demo", "default", "a.txt") == file
    renamed = moved(records, "a.txt", "b.txt", on_conflict="rename")
    assert renamed.files[0].key == "b (2).txt"
    assert records.file("demo", "default", "b.txt") == other
    done = moved(records, "b (2).txt", "b.txt", on_conflict="replace")
    assert done.created == (False,)
    assert (done.files[0].id, done.files[0].key) == (file.id, "b.txt")
    assert records.usage("demo") == Usage(5, 1)
    assert [one.blob for one in records.pending_deletion(1 << 60, 10)] == [other.blob]
    assert kinds(records)[2:] == ["file.moved", "file.deleted", "file.moved"]
    assert faults_in_counts(database) == []


def test_a_renamed_move_stays_inside(records: SqlRecords) -> None:
    """If the target key is taken and all new names are outside of the caller's reach, a move is
    refused and changes nothing.
    """
    file, _ = stored(records, "a.txt"), stored(records, "in/b.txt")
    for within in ((), ("in/b.t",), ("a", "in/b.txt")):
        with pytest.raises(KeyTaken):
            moved(records, "a.txt", "in/b.txt", on_conflict="rename", within=within)
    assert records.file("demo", "default", "a.txt") == file
    done = moved(records, "a.txt", "in/b.txt", on_conflict="rename", within=("a", "in/"))
    assert done.files[0].key == "in/b (2).txt"


def test_a_renamed_move_into_another_bucket(records: SqlRecords, archive: str) -> None:
    """A renamed move finds a free key in the target bucket."""
    stored(records, "a.txt")
    stored(records, "b (2).txt")
    stored(records, "b.txt", bucket=archive)
    done = moved(records, "a.txt", "b.txt", archive, on_conflict="rename")
    assert (done.files[0].bucket, done.files[0].key) == (archive, "b (2).txt")


def test_over_an_expired_file(records: SqlRecords, database: Database) -> None:
    """An expired file at the target does not prevent a move, and an expired
    file cannot be moved.
    """
    at = now_milliseconds()
    stored(records, "old.txt", created_at=at - 9_000, expires_at=at - 1)
    stored(records, "a.txt")
    assert moved(records, "a.txt", "old.txt").created == (True,)
    assert kinds(records)[-2:] == ["file.expired", "file.moved"]
    stored(records, "gone.txt", created_at=at - 9_000, expires_at=at - 1)
    with pytest.raises(NoSuchFile):
        moved(records, "gone.txt", "b.txt")
    assert faults_in_counts(database) == []


def test_what_is_refused(records: SqlRecords) -> None:
    """A move is refused if the file or the target bucket does not exist, or if the condition names
    another tag. A refusal writes no event.
    """
    file = stored(records, "a.txt")
    with pytest.raises(NoSuchFile):
        moved(records, "b.txt", "c.txt")
    with pytest.raises(NoSuchBucket):
        moved(records, "a.txt", "c.txt", "archive")
    with pytest.raises(PreconditionFailed):
        moved(records, "a.txt", "c.txt", condition=WriteCondition(etags=('"other"',)))
    assert records.file("demo", "default", "a.txt") == file
    assert kinds(records) == ["file.created"]
    moved(records, "a.txt", "c.txt", condition=WriteCondition(etags=(file.etag,)))


def test_a_refusal_by_policy(records: SqlRecords) -> None:
    """An error that the policy raises inside the transaction rolls the move back."""
    file, other = stored(records, "a.txt"), stored(records, "b.txt")

    def refuse(_: File, key: str) -> File:
        raise ValueError(key)

    addresses = [FileAddress("default", key) for key in ("a.txt", "b.txt")]
    wanted = Move(tenant="demo", source=addresses[0], target=addresses[1], on_conflict="replace")
    with pytest.raises(ValueError, match=r"b\.txt"):
        records.move(wanted, refuse)
    assert [records.file("demo", "default", key) for key in ("a.txt", "b.txt")] == [file, other]
    assert kinds(records) == ["file.created"] * 2


def test_once(records: SqlRecords) -> None:
    """A repeated move returns the first result, and another move with the same idempotency key is
    refused.
    """
    stored(records, "a.txt")
    first = moved(records, "a.txt", "b.txt", idempotency=ONCE)
    stored(records, "a.txt")
    again = moved(records, "a.txt", "b.txt", idempotency=ONCE)
    assert again == msgspec.structs.replace(first, replayed=True)
    assert records.file("demo", "default", "a.txt") is not None
    other = msgspec.structs.replace(ONCE, fingerprint="g")
    with pytest.raises(IdempotencyReused):
        moved(records, "a.txt", "c.txt", idempotency=other)


def test_many_at_once(records: SqlRecords, database: Database) -> None:
    """If sixteen callers move one file to different keys at the same time,
    exactly one move succeeds.
    """
    file = stored(records, "a.txt", size=5)

    def attempt(number: int) -> Stored | None:
        try:
            return moved(records, "a.txt", f"{number}.txt")
        except NoSuchFile:
            return None

    with ThreadPoolExecutor(16) as pool:
        (done,) = (one for one in pool.map(attempt, range(16)) if one is not None)
    assert [file for file in records.live_files() if file.tenant == "demo"] == list(done.files)
    assert done.files[0].id == file.id
    assert kinds(records) == ["file.created", "file.moved"]
    assert faults_in_counts(database) == []


@pytest.mark.usefixtures("all_tenants")
def test_columns_of_newer_releases(records: SqlRecords, database: Database) -> None:
    """A column that this release does not know moves with its file."""
    stored(records, "a.txt")
    with database.transaction() as connection:
        connection.execute("ALTER TABLE files ADD COLUMN colour TEXT DEFAULT 'none'")
        connection.execute("UPDATE files SET colour = 'red'")
    moved(records, "a.txt", "b.txt")
    assert database.reading().rows("SELECT key, colour FROM files") == [("b.txt", "red")]
