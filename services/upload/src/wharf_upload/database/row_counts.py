"""Whether a tenant may make another row of a kind, judged inside the transaction that makes it.

Counts end at the limit, so that none reads more rows than a tenant may have.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from servicekit.database import Connection
from wharf_upload.domain.clock import now_milliseconds
from wharf_upload.domain.refusals import LimitReached, TooManyIdempotencyKeys
from wharf_upload.domain.row_limits import RowLimits

_COUNTED = {
    "buckets": "FROM buckets WHERE tenant = ? AND name <> 'default'",
    "open uploads": "FROM uploads WHERE tenant = ? AND file IS NULL",
    "keys": "FROM idempotency WHERE tenant = ?",
}
# So many processes may each add their share of what is left before one of them counts again.
_SHARES = 16
_REMEMBERED_SECONDS = 1.0
_MOST_TENANTS = 10_000


def require_room(connection: Connection, tenant: str, what: str, most: int | None) -> None:
    """Raise `LimitReached` if the tenant has as many `buckets` or `open uploads` as it may."""
    if most is not None and _count(connection, tenant, what, most) >= most:
        raise LimitReached(what, most)


def _count(connection: Connection, tenant: str, what: str, most: int) -> int:
    row = connection.row(
        f"SELECT count(*) FROM (SELECT 1 {_COUNTED[what]} LIMIT ?) AS counted",  # noqa: S608 -- constants only
        (tenant, most),
    )
    return int(row[0]) if row else 0


class KeyCounts:
    """Judges whether a tenant may use another idempotency key.

    It counts a tenant's keys, and lets a sixteenth of those that are left come without another
    count: the fewer are left, the more often it counts, and a tenant with few keys costs a look
    into memory. After a refusal it counts no more than once a second. Changes of a process take
    turns, so nothing is locked here.
    """

    def __init__(self, limits: RowLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._seconds = limits.idempotency_keys, limits.idempotency_seconds
        self._clock = clock
        self._left: dict[str, int] = {}
        self._refused: dict[str, tuple[float, int]] = {}

    def require(self, connection: Connection, tenant: str) -> None:
        """Raise `TooManyIdempotencyKeys`, else expect that one is added."""
        if self._most is None:
            return
        left = self._left.get(tenant, 0)
        if not left:
            left = self._counted(connection, tenant, self._most)
        self._left[tenant] = left - 1

    def _counted(self, connection: Connection, tenant: str, most: int) -> int:
        """Return how many may be added before the next count."""
        refused = self._refused.get(tenant)
        if refused is not None and self._clock() < refused[0]:
            raise TooManyIdempotencyKeys(most, refused[1])
        if len(self._left) >= _MOST_TENANTS:
            self._left.clear()
        left = most - _count(connection, tenant, "keys", most)
        if left > 0:
            self._refused.pop(tenant, None)
            return max(1, left // _SHARES)
        if len(self._refused) >= _MOST_TENANTS:
            self._refused.clear()
        seconds = self._seconds_left(connection, tenant)
        self._refused[tenant] = self._clock() + _REMEMBERED_SECONDS, seconds
        raise TooManyIdempotencyKeys(most, seconds)

    def _seconds_left(self, connection: Connection, tenant: str) -> int:
        row = connection.row("SELECT min(created_at) FROM idempotency WHERE tenant = ?", (tenant,))
        now = now_milliseconds()
        oldest = now if row is None or row[0] is None else int(row[0])
        return max(1, self._seconds - (now - oldest) // 1000)
