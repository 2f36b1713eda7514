"""Costs of queries, mostly of listings within grants, counted in statements on any database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest

from servicekit.database import Database, Row
from tests.servers.upload import new_file
from wharf_upload.database.sql import SqlRecords
from wharf_upload.domain.buckets import Bucket, Policy
from wharf_upload.domain.file_writes import Write
from wharf_upload.domain.files import Page


class Counted:
    """A database that counts its statements, and the rows that the statements find."""

    def __init__(self, database: Database) -> None:
        self.database, self.statements, self.found = database, 0, 0

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Run the query, and count the statement and the rows that it finds."""
        found = self.database.reading().rows(sql, parameters)
        self.statements += 1
        self.found += len(found)
        return found

    def reading(self) -> Any:
        """Return this object."""
        return self


@contextmanager
def counted(records: SqlRecords, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counted]:
    """Count the statements of the records."""
    counting = Counted(records.database)
    with monkeypatch.context() as patched:
        patched.setattr(records, "_database", counting)
        yield counting


def tenant_with(records: SqlRecords, keys: Sequence[str]) -> str:
    """Return a new tenant with a file for each key."""
    tenant = uuid4().hex
    records.write(Write(files=tuple(new_file(key, tenant=tenant) for key in keys)))
    return tenant


def page(records: SqlRecords, tenant: str, within: Sequence[str], **asked: Any) -> Page:
    """Return the first page of a listing."""
    asked = {"prefix": "", "delimiter": "/", "after": "", "limit": 100, **asked}
    return records.list_files(tenant, "default", within=tuple(within), **asked)


def folders(count: int) -> list[str]:
    """Return the folders of `count` people."""
    return [f"users/{number:04}/" for number in range(count)]


def test_many_ranges_of_one_folder(records: SqlRecords, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand granted folders below one shown folder cost at most four statements."""
    granted = folders(1000)
    tenant = tenant_with(records, [f"{granted[7]}a", f"{granted[900]}a", "zebra"])
    with counted(records, monkeypatch) as counting:
        found = page(records, tenant, [*granted, "zebra"])
    assert (found.prefixes, [file.key for file in found.files]) == (("users/",), ["zebra"])
    assert counting.statements <= 4


@pytest.mark.parametrize("delimiter", ["", "/"])
def test_small_folders(
    records: SqlRecords, monkeypatch: pytest.MonkeyPatch, delimiter: str
) -> None:
    """A page of small folders costs at most one statement for each shown folder, and four more."""
    granted = folders(100)
    tenant = tenant_with(records, [f"{folder}a" for folder in granted])
    for limit in (10, 100):
        with counted(records, monkeypatch) as counting:
            found = page(
                records, tenant, granted, prefix="users/", delimiter=delimiter, limit=limit
            )
        assert len(found.files) + len(found.prefixes) == limit
        assert (found.next_after is None) == (limit == 100)
        assert counting.statements <= limit + 4


@pytest.mark.parametrize("delimiter", ["", "/"])
def test_empty_folders(
    records: SqlRecords, monkeypatch: pytest.MonkeyPatch, delimiter: str
) -> None:
    """A listing within 1,001 granted folders, of which one has a file, costs at most 15
    statements.
    """
    granted = folders(1001)
    tenant = tenant_with(records, [f"{granted[950]}a", "users/other/a"])
    with counted(records, monkeypatch) as counting:
        found = page(records, tenant, granted, prefix="users/", delimiter=delimiter)
    assert len(found.files) + len(found.prefixes) == 1
    assert counting.statements <= 15


def test_what_is_not_shown_is_not_read(
    records: SqlRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files between the granted folders are not read."""
    granted = ("a/", "z/")
    others = [f"m/{number:03}" for number in range(300)]
    tenant = tenant_with(records, ["a/1", *others, "z/1", "z/2"])
    with counted(records, monkeypatch) as counting:
        found = page(records, tenant, granted, delimiter="")
    assert [file.key for file in found.files] == ["a/1", "z/1", "z/2"]
    assert counting.found <= 6


def test_rows_are_read_as_they_are_needed(
    records: SqlRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A listing reads one row for each folder, which may have any number of files.

    While the listing finds no folder, each batch of rows is twice as large as the batch before it.
    """
    tenant = tenant_with(records, [*(f"a/{number:03}" for number in range(800)), "b"])
    with counted(records, monkeypatch) as counting:
        found = page(records, tenant, ("",))
    assert (found.prefixes, [file.key for file in found.files]) == (("a/",), ["b"])
    assert (counting.statements, counting.found) == (3, 2)
    with counted(records, monkeypatch) as counting:
        found = page(records, tenant, ("",), delimiter="", limit=1000)
    assert len(found.files) == 801
    assert (counting.statements, counting.found) == (3, 801)


def test_a_granted_folder_at_the_top(records: SqlRecords, monkeypatch: pytest.MonkeyPatch) -> None:
    """A listing of everything within one granted folder costs one statement."""
    tenant = tenant_with(records, ["a/1", "a/2", "b"])
    with counted(records, monkeypatch) as counting:
        assert page(records, tenant, ("a/",)) == Page((), ("a/",), None)
    assert counting.statements == 1


def test_blobs_by_the_hundred(records: SqlRecords, monkeypatch: pytest.MonkeyPatch) -> None:
    """150 blobs are found with two statements for each table."""
    files = [new_file(f"{number:03}") for number in range(150)]
    records.write(Write(files=tuple(files)))
    names = [("demo", file.blob) for file in files]
    with counted(records, monkeypatch) as counting:
        assert records.known_blobs(names) == set(names)
    assert counting.statements == 4
    with counted(records, monkeypatch) as counting:
        assert set(records.live_blobs(names)) == set(names)
    assert counting.statements == 2


def test_named_buckets_by_the_hundred(records: SqlRecords, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the buckets of the first hundred names fill a page, the listing does not query the other
    names.
    """
    for name in ("name-000", "name-149"):
        records.put_bucket(Bucket(tenant="demo", name=name, policy=Policy(), created_at=1))
    names = tuple(f"name-{number:03}" for number in range(150))
    for limit, statements in ((1, 1), (2, 2)):
        with counted(records, monkeypatch) as counting:
            assert len(records.buckets("demo", names=names, limit=limit)) == limit
        assert counting.statements == statements


def test_no_grants(records: SqlRecords, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last page costs one statement if the reach contains the whole prefix, and no statement if
    the reach is empty.
    """
    tenant = tenant_with(records, ["a/1", "a/2", "b"])
    for within in (("",), ("a",)):
        with counted(records, monkeypatch) as counting:
            found = page(records, tenant, within, prefix="a/", delimiter="")
        assert len(found.files) == 2
        assert counting.statements == 1
    with counted(records, monkeypatch) as counting:
        assert page(records, tenant, (), prefix="a/") == Page((), (), None)
    assert counting.statements == 0
