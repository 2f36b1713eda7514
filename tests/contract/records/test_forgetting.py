"""What is remembered for a time goes in steps, to the last row."""

from __future__ import annotations

import pytest

from servicekit.database import Database
from wharf_upload.database.sql import SqlRecords


@pytest.mark.usefixtures("all_tenants")
def test_more_than_one_step(database: Database, records: SqlRecords) -> None:
    """All rows that are too old go, however many, and the others stay."""
    rows = [("demo", "client-1", f"key-{at}", "0", "{}", at) for at in range(2500)]
    with database.transaction() as connection:
        connection.execute_many(
            "INSERT INTO idempotency (tenant, subject, key, fingerprint, stored, created_at) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            rows,
        )
    assert records.forget_idempotency(2400) == 2400
    assert database.reading().row("SELECT count(*), min(created_at) FROM idempotency") == (
        100,
        2400,
    )
    assert records.forget_idempotency(2400) == 0
