"""Keys of links, the index of CORS origins, and flags of files, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from servicekit.database import Database
from tests.servers.upload import new_file
from wharf_upload.database.sql import SqlRecords
from wharf_upload.domain.buckets import Bucket, Policy
from wharf_upload.domain.conditions import WriteCondition
from wharf_upload.domain.file_writes import Write

GOOD, OTHER = "https://app.example", "https://other.example"


def bucket(tenant: str, *origins: str, name: str = "photos") -> Bucket:
    return Bucket(tenant=tenant, name=name, policy=Policy(cors_origins=origins), created_at=1)


def test_a_key_is_made_once(records: SqlRecords) -> None:
    """A tenant has no link key until one is created, and always the same key afterwards."""
    assert records.link_key("acme") is None
    key = records.link_key("acme", create=True)
    assert key is not None
    assert len(key) == 32
    assert records.link_key("acme") == records.link_key("acme", create=True) == key
    assert records.link_key("other") is None
    assert records.link_key("other", create=True) != key


def test_a_key_made_by_many_at_once(database: Database, records: SqlRecords) -> None:
    """Concurrent calls that create a link key all return the same key."""

    def make(_: int) -> bytes | None:
        try:
            return records.link_key("acme", create=True)
        finally:
            database.close()

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(make, range(8)))) == 1


def test_rotation(records: SqlRecords) -> None:
    """A rotation replaces or creates the key of one tenant and no other key."""
    first, kept = (records.link_key(name, create=True) for name in ("acme", "other"))
    records.rotate_link_key("acme")
    assert records.link_key("acme") not in (None, first)
    assert records.link_key("other") == kept
    records.rotate_link_key("new")
    assert records.link_key("new") is not None


def test_the_index_follows_the_policies(records: SqlRecords) -> None:
    """An origin is listed overall while any bucket lists it, and for a tenant while a bucket of the
    tenant lists it.
    """
    records.put_bucket(bucket("acme", GOOD, OTHER))
    records.put_bucket(bucket("other", GOOD))
    records.put_bucket(bucket("acme", OTHER, name="films"))
    assert not records.lists_origin(GOOD.upper())
    assert records.lists_origin(GOOD, "acme")
    records.put_bucket(bucket("acme", OTHER))
    assert not records.lists_origin(GOOD, "acme")
    assert records.lists_origin(GOOD, "other")
    assert records.lists_origin(GOOD)
    records.delete_bucket("other", "photos")
    assert not records.lists_origin(GOOD)
    records.put_bucket(bucket("acme"))
    assert records.lists_origin(OTHER, "acme")
    records.delete_bucket("acme", "films")
    assert not records.lists_origin(OTHER)


def test_any_origin(records: SqlRecords) -> None:
    """A bucket that lists `*` lists every origin, for its tenant and overall."""
    records.put_bucket(bucket("acme", "*"))
    assert records.lists_origin(GOOD, "acme")
    assert records.lists_origin(GOOD)
    assert not records.lists_origin(GOOD, "other")


def test_two_changes_of_one_bucket_at_once(database: Database, records: SqlRecords) -> None:
    """Concurrent policies of one bucket all succeed, and the index matches the last policy."""

    def put(number: int) -> bool:
        try:
            return records.put_bucket(bucket("acme", GOOD, f"https://o{number}.example"))
        finally:
            database.close()

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(put, range(16))) >= 1
    found = records.bucket("acme", "photos")
    assert found is not None
    rows = database.reading().rows("SELECT origin FROM cors_origins WHERE tenant = ?", ("acme",))
    assert {row[0] for row in rows} == set(found.policy.cors_origins)


@pytest.mark.parametrize("active", [True, False])
def test_what_could_act_is_remembered(records: SqlRecords, *, active: bool) -> None:
    """The flag `active` of a file, which means active content, is kept when the file moves. A new
    file at the same key has its own flag.
    """
    records.write(Write(files=(new_file("a", active=active),)))
    found = records.file("demo", "default", "a")
    assert found is not None
    assert found.active is active
    moved = records.change(found, lambda file: new_file("b", id=file.id, active=file.active), None)
    assert moved.active is active
    replaced = new_file("b", active=not active)
    records.write(Write(files=(replaced,), condition=WriteCondition(must_exist=True)))
    assert records.file("demo", "default", "b") == replaced


@pytest.mark.parametrize("utf8", [True, False])
def test_a_charset_that_is_not_known_is_remembered(records: SqlRecords, *, utf8: bool) -> None:
    """The flag that text is UTF-8 is stored separately from the media type."""
    kept = new_file("a", media_type="text/csv", utf8=utf8)
    records.write(Write(files=(kept,)))
    assert records.file("demo", "default", "a") == kept
