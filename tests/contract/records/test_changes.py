"""Contract of the records for changed, moved and deleted files, and for buckets."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import msgspec
import pytest

from servicekit.database import Database
from tests.servers.upload import new_file
from wharf_upload.database.contract import Records
from wharf_upload.database.sql import SCHEMA
from wharf_upload.domain.buckets import Bucket, Policy
from wharf_upload.domain.clock import now_milliseconds
from wharf_upload.domain.conditions import WriteCondition
from wharf_upload.domain.file_writes import Write
from wharf_upload.domain.files import File, FileAddress
from wharf_upload.domain.quotas import Usage
from wharf_upload.domain.refusals import (
    BucketNotEmpty,
    KeyTaken,
    NoSuchBucket,
    NoSuchFile,
    PreconditionFailed,
)


def stored(records: Records, key: str, **changes: object) -> File:
    file = new_file(key, **changes)  # type: ignore[arg-type]
    records.write(Write(files=(file,)))
    return file


def test_delete(records: Records) -> None:
    """A deleted file no longer exists and no longer counts. Its blob is a pending deletion."""
    file = stored(records, "a.txt", size=5)
    assert records.delete("demo", "default", "a.txt", None) == file
    assert records.file("demo", "default", "a.txt") is None
    assert records.usage("demo") == Usage(0, 0)
    assert [(one.tenant, one.blob) for one in records.pending_deletion(1 << 60, 10)] == [
        ("demo", file.blob)
    ]


def test_delete_what_is_not_there(records: Records) -> None:
    """Deleting a missing file, or a file of another tenant, raises
    `NoSuchFile` and changes nothing.
    """
    file = stored(records, "a.txt")
    for tenant, key in (("demo", "b.txt"), ("other", "a.txt")):
        with pytest.raises(NoSuchFile):
            records.delete(tenant, "default", key, None)
    assert records.file("demo", "default", "a.txt") == file


def test_conditional_delete(records: Records) -> None:
    """A deletion whose condition is not met leaves the file."""
    file = stored(records, "a.txt")
    with pytest.raises(PreconditionFailed):
        records.delete("demo", "default", "a.txt", WriteCondition(etags=('"other"',)))
    assert records.file("demo", "default", "a.txt") == file
    records.delete("demo", "default", "a.txt", WriteCondition(etags=(file.etag,)))


def moving(key: str) -> Callable[[File], File]:
    """Return an edit that moves a file to `key`."""
    return lambda file: msgspec.structs.replace(file, key=key)


def test_change(records: Records) -> None:
    """A change of name, metadata and expiry is stored and does not change the usage."""
    file = stored(records, "a.txt", size=5)
    wanted = msgspec.structs.replace(
        file, filename="b.txt", metadata={"a": "b"}, expires_at=1_900_000_000_000
    )
    assert records.change(file, lambda _: wanted, None) == wanted
    assert records.file("demo", "default", "a.txt") == wanted
    assert records.usage("demo") == Usage(5, 1)
    assert records.pending_deletion(1 << 60, 10) == []


def test_move(records: Records) -> None:
    """A moved file is only at its new key, with the same blob, and its event has both keys."""
    file = stored(records, "a.txt", size=5)
    moved = records.change(file, moving("folder/b.txt"), None)
    assert moved.blob == file.blob
    assert records.file("demo", "default", "a.txt") is None
    assert records.file("demo", "default", "folder/b.txt") == moved
    assert records.usage("demo") == Usage(5, 1)
    assert records.known_blobs([("demo", file.blob)]) == {("demo", file.blob)}
    event = records.events("demo", 0, 10)[-1]
    assert (event.kind, event.file) == ("file.changed", moved)
    assert event.moved_from == FileAddress("default", "a.txt")


def test_changes_of_different_things_both_last(records: Records) -> None:
    """Two changes that start from the same version of a file do not undo each other."""
    seen = stored(records, "a.txt")
    records.change(seen, lambda f: msgspec.structs.replace(f, filename="b.txt"), None)
    records.change(seen, lambda f: msgspec.structs.replace(f, metadata={"a": "b"}), None)
    file = records.file("demo", "default", "a.txt")
    assert file
    assert (file.filename, file.metadata) == ("b.txt", {"a": "b"})


def test_move_onto_an_expired_file(records: Records) -> None:
    """A move may take the key of an expired file that was not swept yet.

    The expired file gets a separate event.
    """
    expired = stored(records, "b.txt", size=3)
    records.change(expired, lambda f: msgspec.structs.replace(f, expires_at=1), None)
    file = stored(records, "a.txt", size=5)
    records.change(file, moving("b.txt"), None)
    found = records.file("demo", "default", "b.txt")
    assert found
    assert found.id == file.id
    assert records.usage("demo") == Usage(5, 1)
    told = [(event.kind, event.file) for event in records.events("demo", 0, 10)[-2:]]
    assert told == [
        ("file.expired", msgspec.structs.replace(expired, expires_at=1)),
        ("file.changed", found),
    ]


def test_written_over_an_expired_file(records: Records) -> None:
    """A file that takes the key of an expired file is new. The expired file
    gets a separate event.
    """
    old = stored(records, "a.txt", expires_at=1)
    new = stored(records, "a.txt")
    told = [(event.kind, event.file) for event in records.events("demo", 0, 10)]
    assert told == [("file.created", old), ("file.expired", old), ("file.created", new)]


@pytest.mark.usefixtures("all_tenants")
def test_expired_files_are_not_listed_and_go(records: Records) -> None:
    """An expired file is in no listing, and `expire` removes it."""
    file = stored(records, "a.txt", size=5)
    records.change(file, lambda f: msgspec.structs.replace(f, expires_at=1), None)
    page = records.list_files("demo", "default", prefix="", delimiter="", after="", limit=10)
    assert page.files == ()
    assert records.expire(2, 10) == 1
    assert records.file("demo", "default", "a.txt") is None
    assert records.usage("demo") == Usage(0, 0)


def test_move_onto_another(records: Records) -> None:
    """A move to a key in use is refused, and both files stay unchanged."""
    first, second = stored(records, "a.txt"), stored(records, "b.txt")
    with pytest.raises(KeyTaken, match=r"b\.txt"):
        records.change(first, moving("b.txt"), None)
    assert records.file("demo", "default", "a.txt") == first
    assert records.file("demo", "default", "b.txt") == second


def test_change_of_a_replaced_file(records: Records) -> None:
    """A change of a file that was replaced or has expired is refused. The file that took the place
    of a replaced file stays unchanged.
    """
    old = stored(records, "a.txt")
    new = stored(records, "a.txt")
    with pytest.raises(NoSuchFile):
        records.change(old, lambda file: file, None)
    assert records.file("demo", "default", "a.txt") == new
    later = now_milliseconds() + 100_000
    records.change(new, lambda file: msgspec.structs.replace(file, expires_at=later), None)
    records.change(new, lambda file: msgspec.structs.replace(file, expires_at=1), None)
    with pytest.raises(NoSuchFile):
        records.change(new, lambda file: file, None)


def test_doomed_in_order(records: Records) -> None:
    """`pending_deletion` returns the pending deletions before the given time, oldest first, up to
    the limit.
    """
    moments = (1_795_000_000_003, 1_795_000_000_001, 1_795_000_000_002)
    old = [stored(records, f"{moment}.txt") for moment in moments]
    for moment in moments:
        stored(records, f"{moment}.txt", created_at=moment)
    found = records.pending_deletion(moments[0], 10)
    assert [entry.blob for entry in found] == [old[1].blob, old[2].blob]
    assert [entry.deleted_at for entry in found] == sorted(moments)[:2]
    assert [entry.blob for entry in records.pending_deletion(1 << 60, 1)] == [old[1].blob]


def test_known_and_forgotten(records: Records) -> None:
    """A blob is known while its file exists or its deletion is pending, and unknown afterwards."""
    live, deleted = stored(records, "a.txt"), stored(records, "b.txt")
    records.delete("demo", "default", "b.txt", None)
    names = [("demo", live.blob), ("demo", deleted.blob), ("demo", "f" * 32)]
    assert records.known_blobs(names) == set(names[:2])
    records.forget_pending_deletions([deleted.blob])
    assert records.known_blobs(names) == {names[0]}
    assert records.pending_deletion(1 << 60, 10) == []


def test_live_blobs(records: Records) -> None:
    """`live_blobs` returns size and digest of each given blob that has a live file."""
    live, deleted, other = (stored(records, f"{key}.txt") for key in "abc")
    records.delete("demo", "default", "b.txt", None)
    names = [("demo", file.blob) for file in (live, deleted)]
    names += [("elsewhere", other.blob), ("demo", "f" * 32)]
    assert records.live_blobs(names) == {("demo", live.blob): (live.size, live.sha256)}
    assert records.live_blobs([]) == {}


def test_live_files(records: Records) -> None:
    """`live_files` yields the live files of all tenants once and in order, even when a fetch ends
    exactly at the end of a bucket or tenant.
    """
    records.put_bucket(Bucket(tenant="0-t", name="photos", policy=Policy(), created_at=1))
    keys = [f"{number:04}" for number in range(1000)]
    # A digit sorts before all other names.
    groups = (
        [new_file(key, tenant="0-t") for key in keys],
        [new_file(key, tenant="0-t", bucket="photos") for key in keys],
        [new_file(key, tenant="1-t") for key in keys[:100]],
    )
    for group in groups:
        records.write(Write(files=tuple(group)))
    records.delete("0-t", "default", "0000", None)
    found = list(itertools.islice(records.live_files(), 3000))
    assert found == [*groups[0][1:], *groups[1], *groups[2]]


def test_buckets(records: Records) -> None:
    """A tenant sees only its own buckets, sorted by name. `default` is always one of them."""
    photos = Bucket(
        tenant="demo",
        name="photos",
        policy=Policy(max_file_bytes=5, allowed_types=("image/*",)),
        created_at=7,
    )
    default = Bucket(tenant="demo", name="default", policy=Policy(), created_at=0)
    assert records.bucket("demo", "default") == default
    assert records.buckets("demo") == [default]
    assert records.put_bucket(photos)
    assert records.bucket("demo", "photos") == photos
    assert records.bucket("other", "photos") is None
    assert records.buckets("demo") == [default, photos]
    assert records.buckets("demo", names=("default", "photos")) == [default, photos]
    assert [bucket.name for bucket in records.buckets("other")] == ["default"]
    # A digit sorts before all other names.
    first = msgspec.structs.replace(photos, name="1st")
    records.put_bucket(first)
    assert records.buckets("demo") == [first, default, photos]


@pytest.mark.parametrize("has_default", [False, True])
def test_buckets_by_pages(records: Records, *, has_default: bool) -> None:
    """The pages together have every bucket once. `default` is in its place even when
    it has no row.
    """
    names = ["a-bucket", "b-bucket", "photos", "videos", *(["default"] if has_default else [])]
    for name in names:
        records.put_bucket(Bucket(tenant="demo", name=name, policy=Policy(), created_at=1))
    for limit in range(1, 7):
        found: list[str] = []
        while page := records.buckets("demo", after=found[-1] if found else "", limit=limit):
            assert len(page) <= limit
            found += [bucket.name for bucket in page]
        assert found == ["a-bucket", "b-bucket", "default", "photos", "videos"]


@pytest.mark.parametrize("has_default", [False, True])
def test_named_buckets_by_pages(records: Records, *, has_default: bool) -> None:
    """Each page of named buckets except the last is full, and each existing bucket is on one page.

    `default` is on a page only when it is named.
    """
    there = ["a-bucket", "b-bucket", "photos", "videos", *(["default"] if has_default else [])]
    for name in there:
        records.put_bucket(Bucket(tenant="demo", name=name, policy=Policy(), created_at=1))
    absent = [f"{letter}-{number:03}" for letter in "acz" for number in range(90)]
    names = tuple(sorted(["b-bucket", "default", "photos", "videos", *absent]))
    for limit in range(1, 6):
        found: list[str] = []
        while page := records.buckets(
            "demo", after=found[-1] if found else "", limit=limit, names=names
        ):
            assert len(page) == min(limit, 4 - len(found))
            found += [bucket.name for bucket in page]
        assert found == ["b-bucket", "default", "photos", "videos"]
    assert [one.name for one in records.buckets("demo", names=("photos",))] == ["photos"]
    assert records.buckets("demo", names=()) == []
    assert records.buckets("other", names=("photos",)) == []


def test_changed_bucket(records: Records) -> None:
    """Setting the policy of an existing bucket changes the policy and keeps
    the time of creation.
    """
    records.put_bucket(Bucket(tenant="demo", name="photos", policy=Policy(), created_at=7))
    changed = Policy(max_file_bytes=5)
    assert not records.put_bucket(
        Bucket(tenant="demo", name="photos", policy=changed, created_at=8)
    )
    assert records.bucket("demo", "photos") == Bucket(
        tenant="demo", name="photos", policy=changed, created_at=7
    )


def test_policy_of_default(records: Records) -> None:
    """Setting the policy of `default` stores it and never reports `default` as created."""
    own = Bucket(tenant="demo", name="default", policy=Policy(max_file_bytes=5), created_at=7)
    assert not records.put_bucket(own)
    assert records.bucket("demo", "default") == own


def test_delete_bucket(records: Records) -> None:
    """Only an existing bucket without live files can be deleted, and never `default`."""
    for name in ("photos", "default"):
        with pytest.raises(NoSuchBucket):
            records.delete_bucket("demo", name)
    records.put_bucket(Bucket(tenant="demo", name="photos", policy=Policy(), created_at=7))
    file = stored(records, "a.txt", bucket="photos")
    for expires_at in (None, now_milliseconds() + 100_000):
        edited = msgspec.structs.replace(file, expires_at=expires_at)
        records.change(file, lambda _, edited=edited: edited, None)  # type: ignore[misc]
        with pytest.raises(BucketNotEmpty):
            records.delete_bucket("demo", "photos")
    records.change(file, lambda _: msgspec.structs.replace(file, expires_at=1), None)
    records.delete_bucket("demo", "photos")
    assert records.bucket("demo", "photos") is None


def test_check(records: Records, database: Database) -> None:
    """The check passes on a migrated database, and names the command to run when
    no revision is stored.
    """
    assert records.check() is None
    with database.transaction() as connection:
        connection.execute("DELETE FROM alembic_version")
    assert records.check() == (
        f"the schema is none and has to be {SCHEMA}: run `wharf-upload migrate`"
    )
