"""The numbers of events: in the order of commits for each tenant, and silent about other tenants.

A number is the microsecond in which the event was noted, or one more than the tenant's newest
where that is larger. It is given in the transaction that the event tells of, and transactions of
one tenant take turns. So numbers never go back: not after a purge, and not after a restore.
"""

from __future__ import annotations

from servicekit.database import Connection, Row

# Where two tenants have an event in the same microsecond, or the clock was set back, SQLite has to
# look for a number: its table has one key for all tenants. `max` over the key is one step.
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

# Tenant, kind, the event's time in milliseconds, data, and when it was noted in microseconds.
NotedEvent = tuple[str, str, int, str, int]


def insert_events(connection: Connection, dialect: str, events: list[NotedEvent]) -> None:
    """Write events with their numbers, in the order in which they were noted."""
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
