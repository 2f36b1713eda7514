"""The rows of endpoints, which receive the events of tenants as requests."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from servicekit.database import Connection, Row
from wharf_upload.database.aggregate import Aggregate
from wharf_upload.database.now import NOW
from wharf_upload.database.unit_of_work import UnitOfWork
from wharf_upload.database.webhook_contract import EndpointChange
from wharf_upload.domain.jobs import NewJob
from wharf_upload.domain.refusals import LimitReached, ReplayRuns
from wharf_upload.domain.webhooks import (
    DELIVERY_LANE,
    REPLAY_LANE,
    Endpoint,
    EventFilter,
    Replay,
    Secret,
)

COLUMNS = (
    "tenant, id, url, description, filter, secrets, ordered, state, reason, position, failures, "
    "failing_since, room, gap_at, replay, created_at"
)
_NAMES = COLUMNS.replace("room", "window").split(", ")
_ADVICE = "Delete one with DELETE /v1/webhooks/{id}."
T = TypeVar("T")


def to_endpoint(row: Row) -> Endpoint:
    """Return the endpoint of a row."""
    values = dict(zip(_NAMES, row, strict=True))
    return Endpoint(
        **values
        | {
            "filter": _read(values["filter"], EventFilter),
            "secrets": _read(values["secrets"], tuple[Secret, ...]),
            "replay": _read(values["replay"], Replay) if values["replay"] else None,
            "ordered": bool(values["ordered"]),
        }
    )


def find_endpoint(connection: Connection, tenant: str, endpoint: str) -> Endpoint | None:
    """Return the endpoint with this id, or `None`."""
    row = connection.row(
        f"SELECT {COLUMNS} FROM endpoints WHERE tenant = ? AND id = ?",  # noqa: S608 -- constants only
        (tenant, endpoint),
    )
    return None if row is None else to_endpoint(row)


def store(connection: Connection, endpoint: Endpoint) -> None:
    """Write all columns of an endpoint that has a row."""
    tenant, name, *values = _row(endpoint)
    named = ", ".join(f"{column} = ?" for column in COLUMNS.split(", ")[2:])
    connection.execute(
        f"UPDATE endpoints SET {named} WHERE tenant = ? AND id = ?",  # noqa: S608 -- constants only
        (*values, tenant, name),
    )


def newest_event(connection: Connection, tenant: str) -> int:
    """Return the number of the tenant's newest event, 0 if there was none yet."""
    row = connection.row(
        "SELECT seq FROM events WHERE tenant = ? ORDER BY seq DESC LIMIT 1", (tenant,)
    )
    return int(row[0]) if row else 0


class SqlEndpoints(Aggregate):
    """Implements `webhook_contract.EndpointRecords`."""

    def endpoints(self, tenant: str) -> list[Endpoint]:
        """Return the tenant's endpoints in order of their ids."""
        rows = self._database.reading().rows(
            f"SELECT {COLUMNS} FROM endpoints WHERE tenant = ? ORDER BY id",  # noqa: S608 -- constants only
            (tenant,),
        )
        return [to_endpoint(row) for row in rows]

    def all_endpoints(self, after: tuple[str, str], limit: int) -> list[Endpoint]:
        """Return endpoints of all tenants after one (tenant, id), in this order."""
        rows = self._database.reading().rows(
            f"SELECT {COLUMNS} FROM endpoints WHERE (tenant, id) > (?, ?) "  # noqa: S608 -- constants only
            "ORDER BY tenant, id LIMIT ?",
            (*after, limit),
        )
        return [to_endpoint(row) for row in rows]

    def endpoint(self, tenant: str, endpoint: str) -> Endpoint | None:
        """Return the endpoint with this id, or `None`."""
        return find_endpoint(self._database.reading(), tenant, endpoint)

    def add_endpoint(self, endpoint: Endpoint, most: int) -> Endpoint:
        """Store an endpoint that begins after the tenant's newest event; return it.

        Raises `LimitReached` if the tenant has `most` endpoints.
        """

        def change(connection: Connection, _: UnitOfWork) -> Endpoint:
            found = connection.rows(
                "SELECT id FROM endpoints WHERE tenant = ? LIMIT ?", (endpoint.tenant, most)
            )
            if len(found) >= most:
                raise LimitReached("webhook endpoints", most, _ADVICE)
            position = newest_event(connection, endpoint.tenant)
            added = msgspec.structs.replace(endpoint, position=position)
            marks = ", ".join("?" for _ in _NAMES)
            connection.execute(
                f"INSERT INTO endpoints ({COLUMNS}) VALUES ({marks})",  # noqa: S608 -- constants only
                _row(added),
            )
            return added

        added: Endpoint = self._group.run(endpoint.tenant, change)
        return added

    def change_endpoint(
        self, tenant: str, endpoint: str, change: EndpointChange
    ) -> Endpoint | None:
        """Change an endpoint; return its new state, or `None` if it does not exist."""

        def run(connection: Connection, _: UnitOfWork) -> Endpoint | None:
            known = find_endpoint(connection, tenant, endpoint)
            if known is None:
                return None
            changed = change(known)
            store(connection, changed)
            if changed.state == "active" != known.state:
                _run_now(connection, self._database.dialect, changed)
            return changed

        changed: Endpoint | None = self._group.run(tenant, run)
        return changed

    def skip_to_now(self, tenant: str, endpoint: str) -> None:
        """Set the endpoint's position to the tenant's newest event; end open deliveries."""

        def run(connection: Connection, _: UnitOfWork) -> None:
            connection.execute(
                "UPDATE endpoints SET position = ? WHERE tenant = ? AND id = ?",
                (newest_event(connection, tenant), tenant, endpoint),
            )
            connection.execute(
                "UPDATE deliveries SET state = 'failed', next_at = NULL, "
                "error = 'Skipped: the endpoint was enabled from now on.' "
                "WHERE tenant = ? AND endpoint = ? AND state = 'open'",
                (tenant, endpoint),
            )
            connection.execute(
                "DELETE FROM jobs WHERE lane = ? AND share = ? AND lease_until IS NULL",
                (DELIVERY_LANE, f"{tenant}/{endpoint}"),
            )

        self._group.run(tenant, run)

    def begin_replay(self, tenant: str, endpoint: str, replay: Replay) -> Endpoint | None:
        """Begin a replay, with its job; it ends at the tenant's newest event at the latest."""

        def run(connection: Connection, unit: UnitOfWork) -> Endpoint | None:
            known = find_endpoint(connection, tenant, endpoint)
            if known is None:
                return None
            if known.replay is not None:
                raise ReplayRuns
            # The endpoint receives events after its position anyway.
            until = min(replay.until, known.position)
            begun = msgspec.structs.replace(
                known, replay=msgspec.structs.replace(replay, until=until)
            )
            store(connection, begun)
            unit.jobs.append(
                NewJob(lane=REPLAY_LANE, tenant=tenant, subject=f"{endpoint}/{replay.id}")
            )
            return begun

        begun: Endpoint | None = self._group.run(tenant, run)
        return begun

    def delete_endpoint(self, tenant: str, endpoint: str) -> bool:
        """Delete an endpoint and its deliveries; return whether it existed.

        Jobs of its deliveries find no delivery, and end.
        """

        def run(connection: Connection, _: UnitOfWork) -> bool:
            count = connection.execute(
                "DELETE FROM endpoints WHERE tenant = ? AND id = ?", (tenant, endpoint)
            )
            connection.execute(
                "DELETE FROM deliveries WHERE tenant = ? AND endpoint = ? AND state = 'open'",
                (tenant, endpoint),
            )
            return bool(count)

        existed: bool = self._group.run(tenant, run)
        while self._delete_ended(tenant, endpoint):
            pass
        return existed

    def _delete_ended(self, tenant: str, endpoint: str) -> int:
        """Delete a bounded number of deliveries of an endpoint; return how many."""
        with self._database.transaction() as connection:
            rows = connection.rows(
                "SELECT tenant, endpoint, seq FROM deliveries WHERE tenant = ? AND endpoint = ? "
                "LIMIT 1000",
                (tenant, endpoint),
            )
            connection.execute_many(
                "DELETE FROM deliveries WHERE tenant = ? AND endpoint = ? AND seq = ?", rows
            )
        return len(rows)


def _run_now(connection: Connection, dialect: str, endpoint: Endpoint) -> None:
    """Let the jobs of an endpoint run now that waited until it became active."""
    connection.execute(
        f"UPDATE jobs SET run_at = {NOW[dialect]} "  # noqa: S608 -- constants only
        "WHERE lane = ? AND share = ? AND lease_until IS NULL",
        (DELIVERY_LANE, endpoint.share),
    )


def _row(endpoint: Endpoint) -> list[object]:
    values = {name: getattr(endpoint, name) for name in _NAMES}
    values |= {
        "filter": _written(endpoint.filter),
        "secrets": _written(endpoint.secrets),
        "replay": None if endpoint.replay is None else _written(endpoint.replay),
        "ordered": int(endpoint.ordered),
    }
    return list(values.values())


def _written(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _read(text: str, kind: type[T]) -> T:
    return msgspec.json.decode(text, type=kind)
