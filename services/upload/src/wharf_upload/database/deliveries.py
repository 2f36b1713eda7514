"""The rows of deliveries: each try of an event's delivery to an endpoint, and its result."""

from __future__ import annotations

from servicekit.database import Connection
from wharf_upload.database import endpoint_health
from wharf_upload.database.aggregate import Aggregate
from wharf_upload.database.delivery_rows import (
    NAMES,
    OPEN,
    begin_again,
    find_delivery,
    job_of,
    job_runs_soon,
    to_delivery,
)
from wharf_upload.database.next_deliveries import next_deliveries
from wharf_upload.database.unit_of_work import UnitOfWork
from wharf_upload.domain.jobs import Effects
from wharf_upload.domain.webhooks import (
    TEST_KIND,
    Delivery,
    DeliveryState,
    Endpoint,
    Tried,
)

_OLD_AT_ONCE = 1000
_ONE = "WHERE tenant = ? AND endpoint = ? AND seq = ?"
# A client may retry a delivery between the query for ended ones and their deletion.
_DELETE_ENDED = f"DELETE FROM deliveries {_ONE} AND state <> 'open'"  # noqa: S608 -- constants only


class SqlDeliveries(Aggregate):
    """Implements `webhook_contract.DeliveryRecords`."""

    def deliveries(
        self,
        tenant: str,
        endpoint: str,
        *,
        state: DeliveryState | None = None,
        before: int | None = None,
        limit: int,
    ) -> list[Delivery]:
        """Return deliveries with numbers below `before`, the newest first.

        Tests have numbers below 0, so they come last.
        """
        which = "" if state is None else " AND state = ?"
        rows = self._database.reading().rows(
            f"SELECT {NAMES} FROM deliveries WHERE tenant = ? AND endpoint = ?{which} "  # noqa: S608 -- constants only
            "AND seq < ? ORDER BY seq DESC LIMIT ?",
            (
                *(tenant, endpoint),
                *(() if state is None else (state,)),
                *((1 << 63) - 1 if before is None else before, limit),
            ),
        )
        return [to_delivery(row) for row in rows]

    def delivery(self, tenant: str, endpoint: str, seq: int) -> Delivery | None:
        """Return the delivery of an event, or `None`."""
        return find_delivery(self._database.reading(), tenant, endpoint, seq)

    def add_test(self, endpoint: Endpoint, at: int) -> Delivery:
        """Add the delivery of a test event and its job."""

        def change(connection: Connection, unit: UnitOfWork) -> Delivery:
            row = connection.row(
                "SELECT seq FROM deliveries WHERE tenant = ? AND endpoint = ? ORDER BY seq LIMIT 1",
                (endpoint.tenant, endpoint.id),
            )
            # Larger in size than the number of any test before.
            seq = min(-at * 1000, (row[0] - 1) if row else -1)
            connection.execute(OPEN, (endpoint.tenant, endpoint.id, seq, TEST_KIND, at, at))
            unit.jobs.append(job_of(endpoint.tenant, endpoint.id, seq))
            return Delivery(
                tenant=endpoint.tenant,
                endpoint=endpoint.id,
                seq=seq,
                kind=TEST_KIND,
                created_at=at,
                next_at=at,
            )

        added: Delivery = self._group.run(endpoint.tenant, change)
        return added

    def retry(self, endpoint: Endpoint, seq: int) -> Delivery | None:
        """Let a delivery that has ended begin again; return it, or `None` if there is none."""

        def change(connection: Connection, unit: UnitOfWork) -> Delivery | None:
            found = find_delivery(connection, endpoint.tenant, endpoint.id, seq)
            if found is None:
                return None
            begin_again(connection, found)
            job = job_of(endpoint.tenant, endpoint.id, seq)
            if not job_runs_soon(connection, self._database.dialect, job.share, job.subject):
                unit.jobs.append(job)
            return find_delivery(connection, endpoint.tenant, endpoint.id, seq)

        begun: Delivery | None = self._group.run(endpoint.tenant, change)
        return begun

    def tried(self, endpoint: Endpoint, delivery: Delivery, tried: Tried) -> Effects:
        """Return the effects of a try: on the delivery, and on the health of the endpoint."""
        answer = tried.answer

        def effects(connection: Connection, unit: UnitOfWork) -> None:
            connection.execute(
                "UPDATE deliveries SET state = ?, attempts = ?, status = ?, milliseconds = ?, "  # noqa: S608 -- constants only
                f"error = ?, answer = ?, tried_at = ?, next_at = ? {_ONE} AND state = 'open'",
                (
                    *(tried.state, delivery.attempts + 1, answer.status, answer.milliseconds),
                    *(answer.error, answer.body, answer.at, tried.next_at),
                    *(delivery.tenant, delivery.endpoint, delivery.seq),
                ),
            )
            endpoint_health.note(connection, unit, endpoint, answer)
            if endpoint.ordered and tried.state != "open":
                # Without this step, the next event would wait for the next fan-out.
                next_deliveries(connection, unit, endpoint.tenant, endpoint.id)

        return effects

    def failed(self, tenant: str, endpoint: str, seq: int, error: str) -> Effects:
        """Return the effect that ends a delivery as failed, because of `error`."""

        def effects(connection: Connection, _: UnitOfWork) -> None:
            connection.execute(
                f"UPDATE deliveries SET state = 'failed', error = ?, next_at = NULL {_ONE} "  # noqa: S608 -- constants only
                "AND state = 'open'",
                (error, tenant, endpoint, seq),
            )

        return effects

    def forget_deliveries(self, before: int) -> int:
        """Delete deliveries that have ended and were created before a time; return how many."""
        count, last = 0, 0
        while True:
            with self._database.transaction() as connection:
                rows = connection.rows(
                    "SELECT tenant, endpoint, seq, state, created_at FROM deliveries "
                    "WHERE created_at >= ? AND created_at < ? ORDER BY created_at LIMIT ?",
                    (last, before, _OLD_AT_ONCE),
                )
                ended = [row[:3] for row in rows if row[3] != "open"]
                connection.execute_many(_DELETE_ENDED, ended)
            count += len(ended)
            # Open deliveries stay, and the next step begins after them.
            if len(rows) < _OLD_AT_ONCE or (not ended and rows[-1][4] == last):
                return count
            last = rows[-1][4]

    def forget_surplus(self, tenant: str, endpoint: str, most: int) -> int:
        """Delete deliveries that have ended, except those of the `most` newest events."""
        oldest = self._database.reading().row(
            "SELECT seq FROM deliveries WHERE tenant = ? AND endpoint = ? AND seq > 0 "
            "ORDER BY seq DESC LIMIT 1 OFFSET ?",
            (tenant, endpoint, most),
        )
        count, last = 0, 0
        while oldest is not None:
            with self._database.transaction() as connection:
                rows = connection.rows(
                    "SELECT tenant, endpoint, seq, state FROM deliveries WHERE tenant = ? "
                    "AND endpoint = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
                    (tenant, endpoint, last, oldest[0], _OLD_AT_ONCE),
                )
                ended = [row[:3] for row in rows if row[3] != "open"]
                connection.execute_many(_DELETE_ENDED, ended)
            count += len(ended)
            if len(rows) < _OLD_AT_ONCE:
                break
            # Open deliveries stay, and the next step begins after them.
            last = rows[-1][2]
        return count
