"""What is remembered for a time goes in steps, to the last row."""

from __future__ import annotations

import pytest

from servicekit.database import Database
from wharf_upload.database import links
from wharf_upload.database.sql import SqlRecords

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
    """Give `demo` 2500 rows, one of each time from 1 on."""
    with database.transaction() as connection:
        connection.execute("INSERT INTO usage (tenant, bytes, files) VALUES ('demo', 0, 0)")
        names = (at if table == "events" else f"{at:032}" for at in range(1, 2501))
        connection.execute_many(
            _INSERTS[table], [(name, at) for at, name in enumerate(names, start=1)]
        )


@pytest.mark.usefixtures("all_tenants")
@pytest.mark.parametrize("table", _INSERTS)
def test_more_than_one_step(database: Database, records: SqlRecords, table: str) -> None:
    """All rows that are too old go, however many, and the others stay."""
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
    """A reader that comes later is told of the last event that went, not of the last of a step."""
    fill(database, "events")
    records.forget_events(2401)
    assert records.events_dropped("demo") == 2400
