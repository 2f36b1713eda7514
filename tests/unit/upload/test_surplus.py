"""Tests of the check that drops a tenant's oldest rows, and of its background thread."""

from __future__ import annotations

import threading
from typing import cast

import pytest

from servicekit.database import Database, DatabaseUnavailable
from tests.servers.wharf.raw_http import until
from wharf_upload.database.surplus import Surplus


class Looks:
    """A stand-in for a database, with a function that drops the database's rows."""

    def __init__(self, most: int | None) -> None:
        self.dropped: list[tuple[str, int]] = []
        self.threads: list[threading.Thread] = []
        self.left: list[threading.Thread] = []
        self.error: Exception | None = None
        self.surplus = Surplus(cast("Database", self), most, self._drop)

    def _drop(self, database: object, tenant: str, most: int) -> int:
        assert database is self
        self.threads.append(threading.current_thread())
        self.dropped.append((tenant, most))
        if self.error is not None:
            raise self.error
        return 7

    def leave(self) -> None:
        """Record the end of a thread's use of the database."""
        self.left.append(threading.current_thread())

    def ended(self, times: int) -> bool:
        """Return whether this many checks have ended."""
        return until(lambda: len(self.left) == times, pause=0.001)


@pytest.mark.parametrize(("most", "part"), [(0, 1), (99, 1), (199, 1), (200, 2), (1000, 10)])
def test_after_each_hundredth_part(most: int, part: int) -> None:
    """A check starts after each hundredth part of the rows that a tenant may keep."""
    looks = Looks(most)
    for number in range(3 * part):
        looks.surplus.note("demo")
        assert looks.ended((number + 1) // part)
    assert looks.dropped == [("demo", most)] * 3


def test_of_many_at_once() -> None:
    """Rows that are added together count individually, and each tenant's rows separately."""
    looks = Looks(500)
    looks.surplus.note("demo", 4)
    looks.surplus.note("other", 4)
    assert looks.dropped == []
    looks.surplus.note("demo", 1)
    assert looks.ended(1)
    assert looks.dropped == [("demo", 500)]
    looks.surplus.note("demo", 4)
    looks.surplus.note("other", 9)
    assert looks.ended(2)
    assert looks.dropped == [("demo", 500), ("other", 500)]


def test_nobody_waits() -> None:
    """A check runs in a daemon thread, which releases its connection."""
    looks = Looks(0)
    looks.surplus.note("demo")
    assert looks.ended(1)
    assert looks.threads == looks.left
    assert looks.threads != [threading.current_thread()]
    assert looks.threads[0].daemon


def test_without_the_database() -> None:
    """A check ends if the database is unavailable, and the next check can start."""
    looks = Looks(0)
    looks.error = DatabaseUnavailable()
    looks.surplus.note("demo")
    assert looks.ended(1)
    looks.surplus.note("demo")
    assert looks.ended(2)


def test_without_a_limit() -> None:
    """Without a limit nothing is dropped; otherwise the caller gets the number of dropped rows."""
    looks = Looks(None)
    looks.surplus.note("demo", 1000)
    assert looks.surplus.trim("demo") == 0
    assert (looks.dropped, looks.left) == ([], [])
    assert Looks(5).surplus.trim("demo") == 7
