"""Decides whether a tenant may add a row of a kind, inside the transaction that adds it.

Counts stop at the limit, so that no count reads more rows than a tenant may have.
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
    "links": "FROM links WHERE tenant = ?",
}
# Up to this many processes may each add their share of the remaining rows before one of them counts
# again.
_SHARES = 16
_REMEMBERED_SECONDS = 1.0
_FORGOTTEN_AT_ONCE = 1000
_FORGET_ENDED = (
    "DELETE FROM idempotency WHERE (tenant, subject, key) IN (SELECT tenant, subject, key "
    "FROM idempotency WHERE tenant = ? AND created_at <= ? LIMIT ?)"
)
_MOST_TENANTS = 10_000


def require_room(connection: Connection, tenant: str, what: str, most: int | None) -> None:
    """Raise `LimitReached` if the tenant has `most` rows of the kind `what`.

    `what` is `buckets` or `open uploads`; a `most` of `None` means no limit.
    """
    if most is not None and _count(connection, tenant, what, most) >= most:
        raise LimitReached(what, most)


def _count(connection: Connection, tenant: str, what: str, most: int) -> int:
    [(count,)] = connection.rows(
        f"SELECT count(*) FROM (SELECT 1 {_COUNTED[what]} LIMIT ?) AS counted",  # noqa: S608 -- constants only
        (tenant, most),
    )
    return int(count)


class Places:
    """Decides whether a tenant may add a row of a kind.

    The class counts a tenant's rows, and then permits a sixteenth of the remaining rows without a
    new count. So the class counts more often when few rows remain, and for a tenant with few rows
    the decision is usually a dictionary lookup. After a refusal, the class counts the tenant's rows
    at most once a second. Changes of one process run one after the other, so this class needs no
    lock.
    """

    def __init__(
        self, what: str, most: int | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take the kind `what` and its limit `most`; `None` means no limit."""
        self.most = most
        self._what, self._clock = what, clock
        self._left: dict[str, int] = {}
        self._full_until: dict[str, float] = {}

    def has_room(self, connection: Connection, tenant: str) -> bool:
        """Tell whether the tenant may add a row; if so, count the row as added."""
        if self.most is None:
            return True
        left = self._left.get(tenant, 0) or self._counted(connection, tenant, self.most)
        if left:
            self._left[tenant] = left - 1
        return left > 0

    def _counted(self, connection: Connection, tenant: str, most: int) -> int:
        """Return how many rows the tenant may add before the next count."""
        if self._clock() < self._full_until.get(tenant, 0.0):
            return 0
        for memory in (self._left, self._full_until):
            if len(memory) >= _MOST_TENANTS:
                memory.clear()
        left = most - _count(connection, tenant, self._what, most)
        if left > 0:
            return max(1, left // _SHARES)
        self._full_until[tenant] = self._clock() + _REMEMBERED_SECONDS
        return 0


class KeyCounts:
    """Decides whether a tenant may use another idempotency key."""

    def __init__(self, limits: RowLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self._places = Places("keys", limits.idempotency_keys, clock)
        self.seconds = limits.idempotency_seconds

    def require(self, connection: Connection, tenant: str) -> None:
        """Count one more key as used; raises `TooManyIdempotencyKeys` if the tenant has too many.

        Expired keys do not count, even before the worker deletes them.
        """
        if self._places.has_room(connection, tenant):
            return
        seconds = self._seconds_left(connection, tenant)
        if seconds > 0:
            raise TooManyIdempotencyKeys(self._places.most or 0, seconds)
        ended = now_milliseconds() - 1000 * self.seconds
        connection.execute(_FORGET_ENDED, (tenant, ended, _FORGOTTEN_AT_ONCE))

    def _seconds_left(self, connection: Connection, tenant: str) -> int:
        """Return in how many seconds the oldest key expires; 0 if it has expired."""
        [(oldest,)] = connection.rows(
            "SELECT min(created_at) FROM idempotency WHERE tenant = ?", (tenant,)
        )
        now = now_milliseconds()
        ends = (now if oldest is None else int(oldest)) + 1000 * self.seconds
        return max(0, -((now - ends) // 1000))
