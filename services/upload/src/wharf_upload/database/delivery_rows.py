"""The columns of deliveries, and the jobs that run them."""

from __future__ import annotations

from servicekit.database import Connection, Row
from wharf_upload.database.now import NOW
from wharf_upload.domain.clock import now_milliseconds
from wharf_upload.domain.jobs import NewJob
from wharf_upload.domain.webhooks import DELIVERY_LANE, Delivery

NAMES = (
    "tenant, endpoint, seq, kind, state, attempts, status, milliseconds, error, answer, "
    "created_at, tried_at, next_at"
)
FIND = "WHERE tenant = ? AND endpoint = ? AND seq = ?"
_NEW = ", ".join(f"{name} = excluded.{name}" for name in NAMES.split(", ")[4:])
#: Adds an open delivery. A delivery of the same event begins again, without its earlier results.
OPEN = (
    f"INSERT INTO deliveries ({NAMES}) "  # noqa: S608 -- constants only
    "VALUES (?, ?, ?, ?, 'open', 0, 0, 0, '', '', ?, NULL, ?) "
    f"ON CONFLICT (tenant, endpoint, seq) DO UPDATE SET {_NEW}"
)


def job_of(tenant: str, endpoint: str, seq: int) -> NewJob:
    """Return the job that delivers an event."""
    share = f"{tenant}/{endpoint}"
    return NewJob(lane=DELIVERY_LANE, tenant=tenant, share=share, subject=f"{endpoint}/{seq}")


def job_runs_soon(connection: Connection, dialect: str, share: str, subject: str) -> bool:
    """Let the job of a delivery run now; return whether the delivery has a job.

    A job that is taken is running now.
    """
    where, key = "lane = ? AND share = ? AND subject = ?", (DELIVERY_LANE, share, subject)
    waiting = connection.execute(
        f"UPDATE jobs SET run_at = {NOW[dialect]} WHERE {where} AND lease_until IS NULL",  # noqa: S608 -- constants only
        key,
    )
    taken = connection.row(
        f"SELECT 1 FROM jobs WHERE {where} AND lease_until IS NOT NULL",  # noqa: S608 -- constants only
        key,
    )
    return bool(waiting) or taken is not None


def begin_again(connection: Connection, delivery: Delivery) -> None:
    """Open a delivery that has ended; the next try of an open one is now."""
    now, key = now_milliseconds(), (delivery.tenant, delivery.endpoint, delivery.seq)
    if delivery.state == "open":
        connection.execute(f"UPDATE deliveries SET next_at = ? {FIND}", (now, *key))  # noqa: S608 -- constants only
    else:
        connection.execute(OPEN, (*key, delivery.kind, now, now))


def find_delivery(connection: Connection, tenant: str, endpoint: str, seq: int) -> Delivery | None:
    """Return the delivery of an event, or `None`."""
    row = connection.row(
        f"SELECT {NAMES} FROM deliveries {FIND}",  # noqa: S608 -- constants only
        (tenant, endpoint, seq),
    )
    return None if row is None else to_delivery(row)


def to_delivery(row: Row) -> Delivery:
    """Return the delivery of a row."""
    return Delivery(**dict(zip(NAMES.split(", "), row, strict=True)))
