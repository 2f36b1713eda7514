"""Tests of the places for rows with a limit, which are rarely counted and never exceeded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import pytest

from servicekit.database import Row
from wharf_upload.database import row_counts
from wharf_upload.database.row_counts import Places


class Table:
    """A connection to a table of links that counts the queries for their number."""

    def __init__(self) -> None:
        self.links: Counter[object] = Counter()
        self.counts: Counter[object] = Counter()

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Return the number of a tenant's links, up to a limit."""
        tenant, most = parameters
        assert "FROM links WHERE tenant = ?" in sql
        assert isinstance(most, int)
        self.counts[tenant] += 1
        return [(min(self.links[tenant], most),)]

    def row(self, sql: str, parameters: Sequence[object] = ()) -> Row | None:
        """Return the first row."""
        return self.rows(sql, parameters)[0]

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """Fail, because nothing may be changed."""
        raise AssertionError(sql, parameters)

    def execute_many(self, sql: str, parameters: Iterable[Sequence[object]]) -> None:
        """Fail, because nothing may be changed."""
        raise AssertionError(sql, parameters)


class Tenants:
    """Tenants that add links within the limit, with a clock that the test sets."""

    def __init__(self, most: int | None) -> None:
        self.table, self.now = Table(), 0.0
        self.places = Places("links", most, lambda: self.now)

    def add(self, tenant: str = "demo") -> bool:
        """Add a link if there is a place, and return whether there was one."""
        found = self.places.has_room(self.table, tenant)
        self.table.links[tenant] += found
        return found


@pytest.mark.parametrize("most", [0, 1, 2, 15, 16, 17, 160])
def test_as_many_as_there_are_places(most: int) -> None:
    """A single tenant gets exactly as many places as the limit allows."""
    tenants = Tenants(most)
    assert [tenants.add() for _ in range(most + 2)] == [True] * most + [False] * 2


def test_without_a_limit() -> None:
    """Without a limit every link gets a place, and nothing is counted."""
    tenants = Tenants(None)
    assert tenants.add()
    assert tenants.places.most is None
    assert not tenants.table.counts


def test_a_sixteenth_without_a_count() -> None:
    """Between two counts a tenant gets a sixteenth of the remaining places."""
    tenants = Tenants(160)
    assert tenants.places.most == 160
    for _ in range(10):
        tenants.add()
    assert tenants.table.counts["demo"] == 1
    for _ in range(9):
        tenants.add()
    assert tenants.table.counts["demo"] == 2
    tenants.add()
    assert tenants.table.counts["demo"] == 3


def test_a_refusal_holds_for_a_second() -> None:
    """The links of a refused tenant are not counted again for a second. After this second the
    tenant gets a place that became free.
    """
    tenants = Tenants(1)
    assert tenants.add()
    assert not tenants.add()
    tenants.table.links["demo"] = 0
    counts = tenants.table.counts["demo"]
    tenants.now += 0.9
    assert not tenants.add()
    assert tenants.table.counts["demo"] == counts
    tenants.now += 0.1
    assert tenants.add()
    assert not tenants.add()


def test_tenants_have_their_own_places() -> None:
    """A tenant that has used its places takes none from another tenant."""
    tenants = Tenants(2)
    assert [tenants.add("a") for _ in range(3)] == [True, True, False]
    assert [tenants.add("b") for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize("most", [32, 0])
def test_few_tenants_are_remembered(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """When the memory is full, all tenants are forgotten and counted again."""
    monkeypatch.setattr(row_counts, "_MOST_TENANTS", 3)
    tenants = Tenants(most)
    for name in "abca":
        tenants.add(name)
    assert tenants.table.counts == {"a": 1, "b": 1, "c": 1}
    tenants.add("d")
    tenants.add("a")
    assert tenants.table.counts == {"a": 2, "b": 1, "c": 1, "d": 1}
