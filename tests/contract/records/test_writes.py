"""Contract of the records for files that become visible."""

from __future__ import annotations

import pytest

from servicekit.database import Database
from tests.servers.upload import faults_in_counts, new_file
from wharf_upload.database.contract import Records
from wharf_upload.domain.buckets import Bucket, Policy
from wharf_upload.domain.conditions import WriteCondition
from wharf_upload.domain.file_writes import Idempotency, OnConflict, Write
from wharf_upload.domain.files import File
from wharf_upload.domain.keys import renamed
from wharf_upload.domain.quotas import Usage
from wharf_upload.domain.refusals import (
    IdempotencyReused,
    KeyTaken,
    NoSuchBucket,
    PreconditionFailed,
)


def write(records: Records, *files: File, on_conflict: OnConflict = "replace") -> tuple[File, ...]:
    return records.write(Write(files=files, on_conflict=on_conflict)).files


def kinds(database: Database) -> list[str]:
    """Return the kinds of all events, in order."""
    rows = database.reading().rows("SELECT kind FROM events WHERE tenant = 'demo' ORDER BY seq")
    return [row[0] for row in rows]


def test_written_is_found(records: Records) -> None:
    """A file is read with every field as it was written, and counts for its tenant."""
    file = new_file(
        "ordner/naïve 文件 🎉.txt",
        size=1 << 40,
        declared_type="text/csv; charset=utf-8",
        metadata={"clé": "värde", "empty": ""},
        state="quarantined",
        expires_at=1_900_000_000_123,
    )
    stored = records.write(Write(files=(file,)))
    assert stored.files == (file,)
    assert stored.created == (True,)
    assert not stored.replayed
    assert records.file("demo", "default", file.key) == file
    assert records.usage("demo") == Usage(1 << 40, 1)


def test_other_tenants_see_nothing(records: Records) -> None:
    """No query of another tenant shows a file."""
    file = new_file("a.txt")
    write(records, file)
    assert records.file("other", "default", "a.txt") is None
    page = records.list_files("other", "default", prefix="", delimiter="", after="", limit=10)
    assert page.files == ()
    assert records.usage("other") == Usage(0, 0)
    assert records.known_blobs([("other", file.blob)]) == set()


def test_replacing(records: Records, database: Database) -> None:
    """A replacement is the only live file of its key, and the old blob is a pending deletion and
    does not count.
    """
    old, new = new_file("a.txt", size=10), new_file("a.txt", size=3)
    write(records, old)
    stored = records.write(Write(files=(new,)))
    assert stored.created == (False,)
    assert records.file("demo", "default", "a.txt") == new
    assert records.usage("demo") == Usage(3, 1)
    assert [entry.blob for entry in records.pending_deletion(1 << 60, 10)] == [old.blob]
    assert kinds(database) == ["file.created", "file.replaced"]


def test_error_on_conflict(records: Records) -> None:
    """With `error` a key in use refuses the whole write with all its files."""
    old = new_file("taken.txt")
    write(records, old)
    with pytest.raises(KeyTaken) as caught:
        write(records, new_file("free.txt"), new_file("taken.txt"), on_conflict="error")
    assert caught.value.key == "taken.txt"
    assert records.file("demo", "default", "free.txt") is None
    assert records.file("demo", "default", "taken.txt") == old
    assert records.usage("demo") == Usage(1, 1)


def test_renaming(records: Records) -> None:
    """With `rename` each further file of a key gets a separate key and name."""
    for _ in range(3):
        write(records, new_file("a/b/photo.jpg"), on_conflict="rename")
    page = records.list_files("demo", "default", prefix="", delimiter="", after="", limit=10)
    assert {(file.key, file.filename) for file in page.files} == {
        ("a/b/photo.jpg", "photo.jpg"),
        ("a/b/photo (2).jpg", "photo (2).jpg"),
        ("a/b/photo (3).jpg", "photo (3).jpg"),
    }


def test_renaming_within_a_write(records: Records) -> None:
    """With `rename` files of one form under one key are all stored, next to existing files."""
    write(records, new_file("a (3).txt"))
    stored = write(records, *(new_file("a.txt") for _ in range(3)), on_conflict="rename")
    assert [file.key for file in stored] == ["a.txt", "a (2).txt", "a (4).txt"]
    stored = write(records, new_file("a.txt"), new_file("b.txt"), on_conflict="rename")
    assert [file.key for file in stored] == ["a (5).txt", "b.txt"]
    assert records.usage("demo") == Usage(6, 6)


@pytest.mark.parametrize("on_conflict", ["replace", "error"])
def test_one_key_twice_in_a_write(records: Records, on_conflict: OnConflict) -> None:
    """Two files of one form under one key are refused when one would replace the other."""
    with pytest.raises(KeyTaken) as caught:
        write(records, new_file("b.txt"), *[new_file("a.txt")] * 2, on_conflict=on_conflict)
    assert caught.value.key == "a.txt"
    assert records.usage("demo") == Usage(0, 0)


@pytest.mark.parametrize(
    ("key", "within", "expected"),
    [
        ("in/photo.jpg", ("in/photo.jpg",), None),
        ("in/a.t", ("in/a.t", "out/"), None),
        ("in/a.t", (), None),
        ("in/photo.jpg", ("in/photo",), "in/photo (2).jpg"),
        ("in/photo.jpg", ("a/", "in/"), "in/photo (2).jpg"),
        ("in/photo.jpg", None, "in/photo (2).jpg"),
    ],
)
def test_renaming_stays_inside(
    records: Records, key: str, within: tuple[str, ...] | None, expected: str | None
) -> None:
    """A file is not renamed to a key outside of the writer's reach."""
    write(records, new_file(key))
    wanted = Write(files=(new_file(key),), on_conflict="rename", within=within)
    if expected is None:
        with pytest.raises(KeyTaken) as caught:
            records.write(wanted)
        assert caught.value.key == key
        return
    assert [file.key for file in records.write(wanted).files] == [expected]


def test_renaming_ends(records: Records) -> None:
    """After twenty numbered keys in use a file gets a key that is derived from its id."""
    files = [new_file("a.txt") for _ in range(24)]
    keys = [write(records, file, on_conflict="rename")[0].key for file in files]
    assert keys[:21] == ["a.txt", *(f"a ({number}).txt" for number in range(2, 22))]
    assert keys[21:] == [renamed("a.txt", int(file.id[-8:], 16)) for file in files[21:]]
    assert records.usage("demo").files == 24


def test_conditions(records: Records) -> None:
    """A write is refused when its condition is not met, and stored when it is met."""
    only_new = WriteCondition(must_not_exist=True)
    first = new_file("a.txt")
    records.write(Write(files=(first,), condition=only_new))
    with pytest.raises(PreconditionFailed):
        records.write(Write(files=(new_file("a.txt"),), condition=only_new))
    only_first = WriteCondition(must_exist=True, etags=(first.etag,))
    second = new_file("a.txt")
    records.write(Write(files=(second,), condition=only_first))
    with pytest.raises(PreconditionFailed):
        records.write(Write(files=(new_file("a.txt"),), condition=only_first))
    assert records.file("demo", "default", "a.txt") == second


@pytest.mark.parametrize("on_conflict", ["replace", "rename", "error"])
def test_where_a_file_has_expired(
    records: Records, database: Database, on_conflict: OnConflict
) -> None:
    """For each `on_conflict` and for each condition, a key with an expired file has no file. The
    old blob is a pending deletion after the write.
    """
    old = new_file("a.txt", size=7, expires_at=1_000)
    write(records, old)
    new = new_file("a.txt", size=5, created_at=1_000)
    only_old = WriteCondition(must_exist=True)
    with pytest.raises(PreconditionFailed):
        records.write(Write(files=(new,), on_conflict=on_conflict, condition=only_old))
    only_new = WriteCondition(must_not_exist=True)
    stored = records.write(Write(files=(new,), on_conflict=on_conflict, condition=only_new))
    assert (stored.files, stored.created) == ((new,), (True,))
    assert [entry.blob for entry in records.pending_deletion(1 << 60, 10)] == [old.blob]
    assert records.usage("demo") == Usage(5, 1)
    assert faults_in_counts(database) == []


def test_bucket_must_exist(records: Records) -> None:
    """A write into a missing bucket is refused, and `default` always exists."""
    with pytest.raises(NoSuchBucket):
        write(records, new_file("a.txt", bucket="photos"))
    records.put_bucket(Bucket(tenant="other", name="photos", policy=Policy(), created_at=1))
    with pytest.raises(NoSuchBucket):
        write(records, new_file("a.txt", bucket="photos"))
    records.put_bucket(Bucket(tenant="demo", name="photos", policy=Policy(), created_at=1))
    write(records, new_file("a.txt", bucket="photos"))


def idempotent(file: File, key: str = "k", fingerprint: str = "f", subject: str = "s") -> Write:
    own = Idempotency(subject=subject, key=key, fingerprint=fingerprint)
    return Write(files=(file,), on_conflict="rename", idempotency=own)


def test_replay(records: Records, database: Database) -> None:
    """A repeated request stores and charges nothing, and gets the first result."""
    first = records.write(idempotent(new_file("a.txt")))
    again = records.write(idempotent(new_file("a.txt")))
    assert again.replayed
    assert again.files == first.files
    assert again.created == first.created
    assert records.usage("demo") == Usage(1, 1)
    assert kinds(database) == ["file.created"]


def test_replay_of_another_request(records: Records) -> None:
    """An idempotency key with another fingerprint is refused."""
    records.write(idempotent(new_file("a.txt")))
    with pytest.raises(IdempotencyReused):
        records.write(idempotent(new_file("a.txt"), fingerprint="other"))
    assert records.usage("demo") == Usage(1, 1)


def test_idempotency_is_the_subjects_own(records: Records) -> None:
    """An idempotency key that another subject or another tenant uses counts as a separate key."""
    assert not records.write(idempotent(new_file("a.txt"))).replayed
    assert not records.write(idempotent(new_file("a.txt"), subject="other")).replayed
    assert not records.write(idempotent(new_file("a.txt", tenant="other"))).replayed


def test_a_refused_request_is_not_remembered(records: Records) -> None:
    """A refused request may be repeated with its key after the reason has ended."""
    wanted = idempotent(new_file("a.txt", bucket="photos"))
    with pytest.raises(NoSuchBucket):
        records.write(wanted)
    records.put_bucket(Bucket(tenant="demo", name="photos", policy=Policy(), created_at=1))
    assert not records.write(wanted).replayed


@pytest.mark.usefixtures("all_tenants")
def test_forgotten_idempotency(records: Records) -> None:
    """A forgotten key is free again, and only keys that are old enough are forgotten."""
    records.write(idempotent(new_file("a.txt")))
    assert records.forget_idempotency(0) == 0
    assert records.write(idempotent(new_file("a.txt"))).replayed
    assert records.forget_idempotency(1 << 60) == 1
    assert not records.write(idempotent(new_file("a.txt"))).replayed


def test_counts_after_refusals(records: Records, database: Database) -> None:
    """Refused writes and changes leave the usage equal to the sum of the rows."""
    file = new_file("a.txt", size=7)
    write(records, file)
    with pytest.raises(KeyTaken, match=r"a\.txt"):
        write(records, new_file("a.txt"), on_conflict="error")
    with pytest.raises(NoSuchBucket):
        write(records, new_file("x", bucket="nowhere"))
    with pytest.raises(PreconditionFailed):
        records.change(file, lambda seen: seen, WriteCondition(etags=('"other"',)))
    with pytest.raises(PreconditionFailed):
        records.delete("demo", "default", "a.txt", WriteCondition(etags=('"other"',)))
    assert records.usage("demo") == Usage(7, 1)
    assert faults_in_counts(database) == []
