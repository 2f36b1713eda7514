"""Fields of a newer release do not break this release and stay in rows that it changes."""

from __future__ import annotations

import msgspec
import pytest

from servicekit.database import Database
from tests.servers.upload import new_file
from wharf_upload.database.sql import SqlRecords
from wharf_upload.domain.buckets import Bucket, Policy
from wharf_upload.domain.file_writes import Idempotency, Write
from wharf_upload.domain.resumable_upload import Upload, UploadOptions
from wharf_upload.domain.tenant_limits import Limits

# A field of each JSON kind.
NEWER = ', "next_text": "x", "next_list": [1], "next_object": {"a": null}}'


def newer(database: Database, table: str, column: str, where: str = "1 = 1") -> None:
    """Add fields to the JSON in a column, as a newer release would write them."""
    with database.transaction() as connection:
        (value,) = connection.row(f"SELECT {column} FROM {table} WHERE {where}") or ("",)
        connection.execute(
            f"UPDATE {table} SET {column} = ? WHERE {where}", (value.rstrip("}") + NEWER,)
        )


def with_next_column(database: Database, table: str, value: str) -> None:
    """Add a column and fill it, as a newer release does."""
    with database.transaction() as connection:
        connection.execute(f"ALTER TABLE {table} ADD COLUMN next_text TEXT")
        connection.execute(f"UPDATE {table} SET next_text = ?", (value,))


def next_column(database: Database, table: str) -> str | None:
    """Return the value in the only row of the column that `with_next_column` adds."""
    row = database.reading().row(f"SELECT next_text FROM {table}")
    assert row is not None
    found: str | None = row[0]
    return found


def test_policy(records: SqlRecords, database: Database) -> None:
    """A policy with unknown fields is read without them.

    A PUT replaces the whole policy and so removes the unknown fields.
    """
    policy = Policy(max_file_bytes=5, cors_origins=("https://app.example",))
    bucket = Bucket(tenant="demo", name="photos", policy=policy, created_at=7)
    records.put_bucket(bucket)
    newer(database, "buckets", "policy")
    assert records.bucket("demo", "photos") == bucket
    assert bucket in records.buckets("demo")
    records.put_bucket(bucket)
    stored = database.reading().row("SELECT policy FROM buckets")
    assert stored == (msgspec.json.encode(policy).decode(),)


@pytest.mark.parametrize("kind", ["file.created", "quota.warning"])
def test_events(records: SqlRecords, database: Database, kind: str) -> None:
    """Events with unknown fields are read without them."""
    records.put_limits("demo", Limits(max_bytes=10))
    records.write(Write(files=(new_file("a", size=10),)))
    before = records.events("demo", 0, 10)
    newer(database, "events", "data", f"kind = '{kind}'")
    assert records.events("demo", 0, 10) == before


@pytest.mark.parametrize(
    ("kind", "data", "told_with_file"),
    [
        ("file.scanned", "file", True),
        ("file.frozen", "other", False),
        ("tenant.frozen", "other", False),
        ("x", "file", False),
    ],
)
def test_unknown_events(
    records: SqlRecords, database: Database, kind: str, data: str, *, told_with_file: bool
) -> None:
    """An event of an unknown kind keeps its place on the page. The event has its file if the kind
    begins with `file.` and the data describes a file.
    """
    files = [new_file(key) for key in "abc"]
    for file in files:
        records.write(Write(files=(file,)))
    numbers = [event.seq for event in records.events("demo", 0, 10)]
    with database.transaction() as connection:
        connection.execute("UPDATE events SET kind = ? WHERE seq = ?", (kind, numbers[1]))
        if data == "other":
            other = "UPDATE events SET data = '{\"reason\": 1}' WHERE seq = ?"
            connection.execute(other, (numbers[1],))
    told = records.events("demo", 0, 10)
    assert [(event.seq, event.kind) for event in told] == [
        (numbers[0], "file.created"),
        (numbers[1], kind),
        (numbers[2], "file.created"),
    ]
    assert told[1].file == (files[1] if told_with_file else None)
    assert told[1].warning is None


def test_a_known_event_that_is_damaged(records: SqlRecords, database: Database) -> None:
    """Reading an event of a known kind that has no file raises an error."""
    records.write(Write(files=(new_file("a"),)))
    with database.transaction() as connection:
        connection.execute("UPDATE events SET data = '{}'")
    with pytest.raises(msgspec.ValidationError):
        records.events("demo", 0, 10)


def test_repeated_request(records: SqlRecords, database: Database) -> None:
    """The stored result of a repeated request is read without unknown fields."""
    write = Write(
        files=(new_file("a"),), idempotency=Idempotency(subject="c", key="k", fingerprint="f")
    )
    stored = records.write(write)
    newer(database, "idempotency", "stored")
    again = records.write(write)
    assert (again.replayed, again.files) == (True, stored.files)


def test_resumable_upload(records: SqlRecords, database: Database) -> None:
    """Unknown options of an upload stay in its row while bytes are received.
    The service ignores them.
    """
    upload = Upload(
        id="u" * 32,
        tenant="demo",
        subject="c",
        bucket="default",
        key="k",
        length=None,
        options=UploadOptions(on_conflict="error", echo="e"),
        created_at=1,
        expires_at=2,
    )
    records.uploads.create(upload)
    newer(database, "uploads", "options")
    assert records.uploads.get("demo", upload.id) == upload
    before = database.reading().row("SELECT options FROM uploads")
    records.uploads.progress(upload, expires_at=9, discard_from=None, size=5)
    records.uploads.announce_length(upload, 7)
    assert database.reading().row("SELECT options FROM uploads") == before
    changed = records.uploads.announce_digests(upload, {"sha-256": b"x"})
    assert records.uploads.get("demo", upload.id) == msgspec.structs.replace(
        changed, length=7, reserved_bytes=7, expires_at=9
    )
    row = database.reading().row("SELECT options FROM uploads")
    assert before is not None
    assert row is not None
    assert msgspec.json.decode(before[0]).items() <= msgspec.json.decode(row[0]).items()


@pytest.mark.parametrize(
    "change",
    [{"filename": "b"}, {"metadata": {"a": "b"}}, {"expires_at": 1 << 50}, {"key": "moved/b"}],
    ids=lambda change: next(iter(change)),
)
def test_changed_files(records: SqlRecords, database: Database, change: dict[str, object]) -> None:
    """A file that is changed or moved keeps the unknown column of its row."""
    file = new_file("a")
    records.write(Write(files=(file,)))
    with_next_column(database, "files", "kept")
    changed = records.change(file, lambda one: msgspec.structs.replace(one, **change), None)
    assert records.file("demo", "default", changed.key) == changed
    assert next_column(database, "files") == "kept"


def test_changed_limits(records: SqlRecords, database: Database) -> None:
    """An unknown limit stays when other limits are set."""
    records.put_limits("demo", Limits(max_files=1))
    with_next_column(database, "limits", "kept")
    records.put_limits("demo", Limits(max_files=2))
    assert records.limits("demo") == Limits(max_files=2)
    assert next_column(database, "limits") == "kept"
