"""The numbers of events: for each tenant, they increase in the order of the commits.

A number is the microsecond in which the event was recorded. If the tenant's newest event has the
same or a larger number, the new number is one more than that number. The transaction that causes
the event also assigns the number, and transactions of one tenant run one after the other. So the
numbers never decrease, even after a purge or a restore, and they reveal nothing about other
tenants.
"""

from __future__ import annotations

from servicekit.database import Connection, Row

# The table in SQLite has one primary key for all tenants. When two tenants have an event in the
# same microsecond, or the clock was set back, SQLite must search for a free number. `max` over the
# key is one step.
_SQLITE = """
INSERT INTO events (seq, tenant, kind, at, data) VALUES (
  CASE WHEN ? > (SELECT COALESCE(max(seq), 0) FROM events) THEN ? ELSE (
    SELECT CASE WHEN EXISTS (SELECT 1 FROM events WHERE seq = given.seq) THEN (
      SELECT taken.seq + 1 FROM events AS taken WHERE taken.seq >= given.seq
      AND NOT EXISTS (SELECT 1 FROM events WHERE seq = taken.seq + 1)
      ORDER BY taken.seq LIMIT 1
    ) ELSE given.seq END FROM (
      SELECT max(?, COALESCE((SELECT max(seq) + 1 FROM events WHERE tenant = ?), 0)) AS seq
    ) AS given
  ) END, ?, ?, ?, ?)
"""
_POSTGRESQL = """
INSERT INTO events (seq, tenant, kind, at, data) VALUES (
  GREATEST(?, (SELECT max(seq) + 1 FROM events WHERE tenant = ?)), ?, ?, ?, ?)
"""

# Tenant, kind, the event's time in milliseconds, data, and the time of recording in microseconds.
NotedEvent = tuple[str, str, int, str, int]


def insert_events(connection: Connection, dialect: str, events: list[NotedEvent]) -> None:
    """Write events with their numbers, in the order in which they were recorded."""
    if dialect == "sqlite":
        connection.execute_many(_SQLITE, map(_for_sqlite, events))
    else:
        connection.execute_many(_POSTGRESQL, map(_for_postgresql, events))


def _for_sqlite(event: NotedEvent) -> Row:
    tenant, kind, at, data, noted = event
    return noted, noted, noted, tenant, tenant, kind, at, data


def _for_postgresql(event: NotedEvent) -> Row:
    tenant, kind, at, data, noted = event
    return noted, tenant, tenant, kind, at, data
