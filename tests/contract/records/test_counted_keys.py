"""The waiting time of a tenant that has used all its idempotency keys."""

from __future__ import annotations

import pytest

from servicekit.database import Database
from wharf_upload.database import row_counts
from wharf_upload.database.row_counts import KeyCounts
from wharf_upload.domain.clock import now_milliseconds
from wharf_upload.domain.refusals import TooManyIdempotencyKeys
from wharf_upload.domain.row_limits import RowLimits

_HOUR = 3_600_000


def use(database: Database, *ages: int, tenant: str = "demo") -> None:
    """Add keys that were used the given numbers of milliseconds ago."""
    now = now_milliseconds()
    rows = [(tenant, "s", f"k{number}", "f", "{}", now - age) for number, age in enumerate(ages)]
    with database.transaction() as connection:
        connection.execute_many("INSERT INTO idempotency VALUES (?, ?, ?, ?, ?, ?)", rows)


def left(database: Database, tenant: str = "demo") -> int:
    """Return the number of keys that are stored for the tenant."""
    [(count,)] = database.reading().rows(
        "SELECT count(*) FROM idempotency WHERE tenant = ?", (tenant,)
    )
    return int(count)


def refused(database: Database, counts: KeyCounts) -> TooManyIdempotencyKeys:
    """Return the error that refuses another key."""
    with database.transaction() as connection, pytest.raises(TooManyIdempotencyKeys) as caught:
        counts.require(connection, "demo")
    return caught.value


@pytest.mark.parametrize("age", [500, 100_500, _HOUR - 60_500])
def test_how_long_to_wait(database: Database, age: int) -> None:
    """The refusal states the limit, and in whole seconds the time until the oldest key ends."""
    counts = KeyCounts(RowLimits(idempotency_keys=2, idempotency_seconds=3600))
    assert counts.seconds == 3600
    before = now_milliseconds()
    use(database, age, 100)
    use(database, _HOUR - 1000, tenant="other")
    found = refused(database, counts)
    passed = now_milliseconds() - before
    assert found.limit_count == 2
    least, most = (-((age + more - _HOUR) // 1000) for more in (passed, 0))
    assert least <= found.seconds <= most


@pytest.mark.parametrize(("ages", "kept"), [((_HOUR, 100), 1), ((_HOUR + 5, _HOUR, 100), 1)])
def test_keys_that_have_ended(database: Database, ages: tuple[int, ...], kept: int) -> None:
    """An ended key is forgotten immediately when another key is needed, and other keys stay."""
    counts = KeyCounts(RowLimits(idempotency_keys=len(ages), idempotency_seconds=3600))
    use(database, *ages)
    use(database, _HOUR + 5, tenant="other")
    with database.transaction() as connection:
        counts.require(connection, "demo")
    assert (left(database), left(database, "other")) == (kept, 1)


def test_few_are_forgotten_at_once(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """One request forgets a limited number of ended keys and leaves the other ended keys."""
    monkeypatch.setattr(row_counts, "_FORGOTTEN_AT_ONCE", 3)
    counts = KeyCounts(RowLimits(idempotency_keys=5, idempotency_seconds=3600))
    use(database, *[_HOUR + 5] * 5)
    with database.transaction() as connection:
        counts.require(connection, "demo")
    assert left(database) == 2


def test_no_key_left_to_wait_for(database: Database) -> None:
    """If all keys are forgotten after a refusal, a second refusal in the same second states the
    full lifetime of a key.
    """
    counts = KeyCounts(RowLimits(idempotency_keys=1, idempotency_seconds=3600), lambda: 1.0)
    use(database, 100)
    refused(database, counts)
    with database.transaction() as connection:
        connection.execute("DELETE FROM idempotency WHERE tenant = 'demo'")
    assert refused(database, counts).seconds == 3600
