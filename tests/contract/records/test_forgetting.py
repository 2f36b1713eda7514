"""Old rows are dropped in batches, to the last row."""

from __future__ import annotations

import pytest

from servicekit.database import Database
from tests.servers.unfinished import new_upload
from tests.servers.upload import new_file
from wharf_upload.database import links, retention, surplus
from wharf_upload.database.sql import SqlRecords
from wharf_upload.domain.file_writes import UploadEnd, Write

_INSERTS = {
    "idempotency": (
        "INSERT INTO idempotency (tenant, subject, key, fingerprint, stored, created_at) "
        "VALUES ('demo', 'client-1', ?, '0', '{}', ?)"
    ),
    "events": (
        "INSERT INTO events (tenant, kind, data, seq, at) VALUES ('demo', 'file.later', '{}', ?, ?)"
    ),
    "links": (
        f"INSERT INTO links ({links.COLUMNS}) VALUES ('demo', ?, 'default', '', 1, 'inline', '', "
        "'{}', '', ?, 9000, 'client-1')"
    ),
}


def fill(database: Database, table: str) -> None:
    """Add 2,500 rows to `demo`, with the times 1 to 2,500."""
    with database.transaction() as connection:
        connection.execute("INSERT INTO usage (tenant, bytes, files) VALUES ('demo', 0, 0)")
        names = (at if table == "events" else f"{at:032}" for at in range(1, 2501))
        connection.execute_many(
            _INSERTS[table], [(name, at) for at, name in enumerate(names, start=1)]
        )


@pytest.mark.usefixtures("all_tenants")
@pytest.mark.parametrize("table", _INSERTS)
def test_more_than_one_step(database: Database, records: SqlRecords, table: str) -> None:
    """All rows that are too old are dropped in several batches, and the other rows stay."""
    fill(database, table)

    def forget() -> int:
        if table == "links":
            return records.end_links("demo", 2400)
        return {"idempotency": records.forget_idempotency, "events": records.forget_events}[table](
            2401
        )

    assert forget() == 2400
    time = "at" if table == "events" else "created_at"
    assert database.reading().row(f"SELECT count(*), min({time}) FROM {table}") == (100, 2401)
    assert forget() == 0


@pytest.mark.usefixtures("all_tenants")
def test_events_that_went_in_steps(database: Database, records: SqlRecords) -> None:
    """After a removal in several batches, the records know the number of the last removed event."""
    fill(database, "events")
    records.forget_events(2401)
    assert records.events_dropped("demo") == 2400


@pytest.mark.usefixtures("all_tenants")
@pytest.mark.parametrize("portion", [1, 4, 5, 6])
def test_steps_of_any_size(
    database: Database, records: SqlRecords, monkeypatch: pytest.MonkeyPatch, portion: int
) -> None:
    """All rows that are too old are dropped and counted, for every batch size."""
    monkeypatch.setattr(retention, "ROWS_A_TIME", portion)
    uses = [("demo", f"t{at}", 1, at) for at in range(8)]
    with database.transaction() as connection:
        connection.execute_many("INSERT INTO ticket_uses VALUES (?, ?, ?, ?)", uses)
    assert records.forget_ticket_uses(5) == 5
    assert [records.ticket_uses("demo", f"t{at}") for at in range(8)] == [0] * 5 + [1] * 3


@pytest.mark.usefixtures("all_tenants")
@pytest.mark.parametrize("portion", [1, 4, 5, 6])
def test_surplus_by_steps(
    database: Database, records: SqlRecords, monkeypatch: pytest.MonkeyPatch, portion: int
) -> None:
    """The oldest rows of a tenant are dropped and counted until the limit is met,
    for every batch size.
    """
    monkeypatch.setattr(surplus, "ROWS_A_TIME", portion)
    for tenant in ("demo", "other"):
        for number in range(8):
            upload = new_upload(tenant=tenant, expires_at=number, parts=("0" * 32,))
            records.uploads.create(upload)
            end = UploadEnd(id=upload.id, parts=(), expires_at=number)
            records.write(Write(files=(new_file("a", tenant=tenant, size=10),), upload=end))
    events = records.events("demo", 0, 9)
    assert surplus.drop_events(database, "demo", 3) == 5
    assert records.events("demo", 0, 9) == events[5:]
    assert records.events_dropped("demo") == events[4].seq
    assert surplus.drop_events(database, "demo", 3) == 0
    assert surplus.drop_ended_uploads(database, "demo", 3) == 5
    assert surplus.drop_ended_uploads(database, "demo", 3) == 0
    left = database.reading().rows("SELECT tenant, count(*) FROM uploads GROUP BY 1 ORDER BY 1")
    assert left == [("demo", 3), ("other", 8)]
    left = database.reading().rows(
        "SELECT tenant, count(*) FROM upload_parts GROUP BY 1 ORDER BY 1"
    )
    assert left == [("demo", 3), ("other", 8)]
    assert len(records.events("other", 0, 9)) == 8


def test_what_is_gone_stays_gone(database: Database, records: SqlRecords) -> None:
    """The number of the last dropped event never decreases."""
    records.write(Write(files=(new_file("a"),)))
    for last, known in ((5, 5), (3, 5), (6, 6)):
        with database.transaction() as connection:
            surplus.note_dropped(connection, "demo", last)
        assert records.events_dropped("demo") == known
