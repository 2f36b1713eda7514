"""From events to deliveries: what the worker does for the endpoints of all tenants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from servicekit.database import Connection
from wharf_upload.database.aggregate import Aggregate
from wharf_upload.database.endpoints import find_endpoint, store
from wharf_upload.database.next_deliveries import next_deliveries, next_of_replay
from wharf_upload.database.unit_of_work import UnitOfWork
from wharf_upload.domain.webhooks import FULL_WINDOW


class SqlFanOut(Aggregate):
    """Implements `webhook_contract.FanOutRecords`."""

    def behind(self, after: tuple[str, str], limit: int) -> list[tuple[str, str]]:
        """Return active endpoints after one, (tenant, id), whose tenants have newer events."""
        rows = self._database.reading().rows(
            "SELECT tenant, id FROM endpoints WHERE state = 'active' AND (tenant, id) > (?, ?) "
            "AND position < (SELECT max(seq) FROM events WHERE events.tenant = endpoints.tenant) "
            "ORDER BY tenant, id LIMIT ?",
            (*after, limit),
        )
        return [(row[0], row[1]) for row in rows]

    def fan_out(self, tenant: str, endpoint: str) -> bool:
        """Make deliveries and jobs of the next events, and move the position, in one commit.

        Return whether the position has moved.
        """

        def change(connection: Connection, unit: UnitOfWork) -> bool:
            return next_deliveries(connection, unit, tenant, endpoint)

        moved: bool = self._group.run(tenant, change)
        return moved

    def replay_step(self, tenant: str, endpoint: str, replay: str) -> bool:
        """Make deliveries of the next events of a replay; return whether the replay continues."""

        def change(connection: Connection, unit: UnitOfWork) -> bool:
            known = find_endpoint(connection, tenant, endpoint)
            if known is None or known.replay is None or known.replay.id != replay:
                return False
            left = next_of_replay(connection, unit, known, known.replay)
            store(connection, msgspec.structs.replace(known, replay=left))
            return left is not None

        goes_on: bool = self._group.run(tenant, change)
        return goes_on

    def windows(self, shares: Sequence[str]) -> Mapping[str, int]:
        """Return the windows of endpoints that are smaller than a full one, by their shares."""
        windows: dict[str, int] = {}
        for share in shares:
            tenant, _, endpoint = share.rpartition("/")
            known = find_endpoint(self._database.reading(), tenant, endpoint)
            # The handler ends the jobs of an endpoint that was deleted.
            window = 1 if known is None else known.effective_window
            if window < FULL_WINDOW:
                windows[share] = window
        return windows
