"""Makes the rows of deliveries and jobs for the next events of an endpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from servicekit.database import Connection
from servicekit.metric_buffers import MetricBuffer
from wharf_upload.database.delivery_rows import OPEN, job_of
from wharf_upload.database.endpoints import find_endpoint, store
from wharf_upload.database.events import events_after
from wharf_upload.database.unit_of_work import UnitOfWork
from wharf_upload.domain.clock import now_milliseconds
from wharf_upload.domain.events import Event
from wharf_upload.domain.webhooks import Endpoint, Replay

# The most events that one commit reads, most of which a filter may leave out.
_LOOKED_AT = 500
_AT_ONCE = 100
gaps = MetricBuffer()
"""Endpoints that missed events, because the events were deleted before."""


def next_deliveries(connection: Connection, unit: UnitOfWork, tenant: str, endpoint: str) -> bool:
    """Make deliveries of the next events of an endpoint; return whether its position has moved."""
    known = find_endpoint(connection, tenant, endpoint)
    if known is None or known.state != "active":
        return False
    room = min(_AT_ONCE, known.room - _open_count(connection, known))
    if room <= 0:
        return False
    position, events = _read(connection, known, known.position, room)
    if position == known.position:
        return False
    _deliver(connection, unit, known, events)
    dropped = connection.row("SELECT events_dropped FROM usage WHERE tenant = ?", (known.tenant,))
    has_gap = dropped is not None and dropped[0] > known.position
    if has_gap:
        unit.measured.append((gaps, ()))
    store(
        connection,
        msgspec.structs.replace(
            known,
            position=position,
            gap_at=now_milliseconds() if has_gap else known.gap_at,
        ),
    )
    return True


def next_of_replay(
    connection: Connection, unit: UnitOfWork, known: Endpoint, replay: Replay
) -> Replay | None:
    """Make deliveries of the next events of a replay; return what is left of it."""
    room = min(_AT_ONCE, known.room - _open_count(connection, known))
    if room <= 0:
        return replay
    wanted = msgspec.structs.replace(
        known,
        filter=msgspec.structs.replace(known.filter, kinds=replay.kinds or known.filter.kinds),
    )
    position, events = _read(connection, wanted, replay.position, room)
    events = [event for event in events if event.seq <= replay.until]
    states = _states(connection, known, events)
    skipped = ("done", "", "open") if replay.failed_only else ("open",)
    events = [event for event in events if states.get(event.seq, "") not in skipped]
    _deliver(connection, unit, known, events)
    if position == replay.position or position >= replay.until:
        return None
    return msgspec.structs.replace(replay, position=position)


def _read(
    connection: Connection, known: Endpoint, after: int, room: int
) -> tuple[int, list[Event]]:
    """Return the events after a number that pass the filter, and the last number read."""
    position, events = after, []
    for event in events_after(connection, known.tenant, after, _LOOKED_AT):
        position = event.seq
        if known.filter.passes(event):
            events.append(event)
            if len(events) == room:
                break
    return position, events


def _deliver(
    connection: Connection, unit: UnitOfWork, known: Endpoint, events: Sequence[Event]
) -> None:
    now = now_milliseconds()
    connection.execute_many(
        OPEN, [(known.tenant, known.id, event.seq, event.kind, now, now) for event in events]
    )
    unit.jobs += [job_of(known.tenant, known.id, event.seq) for event in events]


def _open_count(connection: Connection, known: Endpoint) -> int:
    row = connection.row(
        "SELECT count(*) FROM (SELECT 1 FROM deliveries WHERE tenant = ? AND endpoint = ? "
        "AND state = 'open' LIMIT ?) AS counted",
        (known.tenant, known.id, known.room),
    )
    return int(row[0]) if row else 0


def _states(connection: Connection, known: Endpoint, events: Sequence[Event]) -> Mapping[int, str]:
    """Return the states of the deliveries of events, by the events' numbers."""
    if not events:
        return {}
    rows = connection.rows(
        "SELECT seq, state FROM deliveries WHERE tenant = ? AND endpoint = ? "
        "AND seq BETWEEN ? AND ?",
        (known.tenant, known.id, events[0].seq, events[-1].seq),
    )
    return dict(rows)
