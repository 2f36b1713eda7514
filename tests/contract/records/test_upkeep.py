"""The state of maintenance: garbage collection pauses, and the hour up to which
a store was swept.
"""

from __future__ import annotations

import time

from servicekit.database import Database
from wharf_upload.database.sql import SqlRecords

_LONG = 600_000


def test_a_pause(records: SqlRecords) -> None:
    """A pause lasts from its holder's first touch until the holder ends it, after
    any number of touches.
    """
    assert not records.is_paused(_LONG)
    records.touch_pause("a")
    records.touch_pause("a")
    assert records.is_paused(_LONG)
    records.end_pause("a")
    assert not records.is_paused(_LONG)
    records.end_pause("nobody")


def test_two_copiers(records: SqlRecords) -> None:
    """The end of one holder's pause does not end the pause of another holder."""
    records.touch_pause("a")
    records.touch_pause("b")
    records.end_pause("a")
    assert records.is_paused(_LONG)


def test_a_silent_copier(records: SqlRecords, database: Database) -> None:
    """A pause without a touch for a long time is not active and is forgotten. Other pauses stay."""
    records.touch_pause("dead")
    with database.transaction() as connection:
        connection.execute("UPDATE collection_pauses SET touched_at = touched_at - ?", (_LONG,))
    assert not records.is_paused(_LONG)
    records.touch_pause("alive")
    records.forget_pauses(_LONG)
    assert database.reading().rows("SELECT holder FROM collection_pauses") == [("alive",)]


def test_pauses_go_by_the_clock_of_the_database(records: SqlRecords, database: Database) -> None:
    """A touch is stored in Unix milliseconds of the database's clock."""
    records.touch_pause("a")
    row = database.reading().row("SELECT touched_at FROM collection_pauses")
    assert row is not None
    # The database runs on this machine, so both clocks agree and the unit is the same.
    assert abs(row[0] - 1000 * time.time()) < _LONG


def test_swept_hours(records: SqlRecords) -> None:
    """Each store has a separate swept hour, and the last stored value is kept."""
    assert records.swept_until("a") is None
    records.note_swept("a", 7_200)
    records.note_swept("b", 36_000)
    records.note_swept("a", 3_600)
    assert (records.swept_until("a"), records.swept_until("b")) == (3_600, 36_000)
    records.forget_swept("a")
    records.forget_swept("nowhere")
    assert (records.swept_until("a"), records.swept_until("b")) == (None, 36_000)
