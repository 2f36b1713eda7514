"""Idempotency keys: how long a key is remembered, and which fields of a request belong to it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from servicekit.database import Database
from tests.servers.upload import faults_in_counts, new_file
from wharf_upload.database import idempotency
from wharf_upload.database.sql import SqlRecords
from wharf_upload.domain.clock import now_milliseconds
from wharf_upload.domain.file_writes import Idempotency, Move, Stored, Write
from wharf_upload.domain.files import File, FileAddress
from wharf_upload.domain.quotas import Quota
from wharf_upload.domain.refusals import IdempotencyReused, TooManyIdempotencyKeys
from wharf_upload.domain.row_limits import RowLimits

_SECONDS = 3600


def limited(database: Database, keys: int = 10) -> SqlRecords:
    """Return records that remember a request for an hour."""
    rows = RowLimits(idempotency_keys=keys, idempotency_seconds=_SECONDS)
    return SqlRecords(database, quota=Quota(rows=rows))


def store(records: SqlRecords, name: str, key: str = "k", tenant: str = "demo") -> Stored:
    own = Idempotency(subject="s", key=key, fingerprint="f")
    file = new_file(name, tenant=tenant, created_at=now_milliseconds())
    return records.write(Write(files=(file,), on_conflict="rename", idempotency=own))


def passed(database: Database, seconds: int, key: str = "k") -> None:
    """Make the key older by the given number of seconds."""
    with database.transaction() as connection:
        connection.execute(
            "UPDATE idempotency SET created_at = ? WHERE key = ? AND tenant = 'demo'",
            (now_milliseconds() - 1000 * seconds, key),
        )


def placed(file: File, key: str) -> File:
    return msgspec.structs.replace(file, key=key)


def test_a_key_ends_at_its_second(database: Database) -> None:
    """A key is remembered for its lifetime and not longer, even if its row was not yet swept."""
    records = limited(database)
    first = store(records, "a")
    passed(database, _SECONDS - 60)
    again = store(records, "a")
    assert (again.replayed, again.files) == (True, first.files)
    passed(database, _SECONDS)
    new = store(records, "a")
    assert (new.replayed, new.files[0].key) == (False, "a (2)")
    repeated = store(records, "a")
    assert (repeated.replayed, repeated.files) == (True, new.files)
    assert faults_in_counts(database) == []


@pytest.mark.parametrize(("late", "replayed"), [(-1, True), (0, False)])
def test_the_last_millisecond_of_a_key(
    database: Database, monkeypatch: pytest.MonkeyPatch, late: int, *, replayed: bool
) -> None:
    """An idempotency key is remembered for its lifetime in seconds, exact to the millisecond."""
    records = limited(database)
    now = now_milliseconds()
    monkeypatch.setattr(idempotency, "now_milliseconds", lambda: now)
    store(records, "a")
    monkeypatch.setattr(idempotency, "now_milliseconds", lambda: now + 1000 * _SECONDS + late)
    assert store(records, "a").replayed == replayed


def test_a_key_of_a_move_ends_as_well(database: Database) -> None:
    """An idempotency key that a move has used is free again when the key's time has passed."""
    records = limited(database)
    own = Idempotency(subject="s", key="k", fingerprint="f")
    store(records, "a", "other")
    places = FileAddress("default", "a"), FileAddress("default", "b")
    wanted = Move(tenant="demo", source=places[0], target=places[1], idempotency=own)
    records.move(wanted, placed)
    assert records.move(wanted, placed).replayed
    passed(database, _SECONDS)
    back = Move(tenant="demo", source=places[1], target=places[0], idempotency=own)
    assert not records.move(back, placed).replayed


def test_ended_keys_make_room_at_once(database: Database) -> None:
    """A tenant that uses all its keys may use another one when the oldest key has ended.

    An ended key counts as free even before the sweeper removes it. Other tenants' keys stay.
    """
    records = limited(database, keys=2)
    for key in ("old", "young"):
        store(records, key, key)
        store(records, key, key, "other")
    passed(database, _SECONDS - 60, "old")
    with pytest.raises(TooManyIdempotencyKeys) as caught:
        store(records, "new", "new")
    assert 0 < caught.value.seconds <= 60
    passed(database, _SECONDS, "old")
    store(records, "new", "new")
    rows = database.reading().rows(
        "SELECT tenant, key FROM idempotency WHERE tenant IN ('demo', 'other') ORDER BY tenant, key"
    )
    others = [("other", "old"), ("other", "young")]
    assert [tuple(row) for row in rows] == [("demo", "new"), ("demo", "young"), *others]


@pytest.mark.parametrize("other", [{"declared_type": "text/csv"}, {"metadata": {"author": "me"}}])
def test_what_is_told_of_a_file(database: Database, other: dict[str, Any]) -> None:
    """A request with the same names and bytes but another type or other
    metadata is another request.
    """
    records = limited(database)
    own = Idempotency(subject="s", key="k", fingerprint="f")
    records.write(Write(files=(new_file("a"), new_file("b")), idempotency=own))
    with pytest.raises(IdempotencyReused):
        records.write(Write(files=(new_file("a"), new_file("b", **other)), idempotency=own))
    assert records.file("demo", "default", "b") is not None
    assert records.write(Write(files=(new_file("a"), new_file("b")), idempotency=own)).replayed
