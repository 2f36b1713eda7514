"""Limits of tenants as they hold: what was set, over the defaults of the settings.

Asked on every request's way, so a process remembers them for two seconds: a changed limit holds
everywhere after that time.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Protocol

from servicekit.database import DatabaseUnavailable
from servicekit.ratelimits import Amounts
from wharf_upload.domain.tenant_limits import Limits

log = logging.getLogger(__name__)
CACHE_SECONDS = 2.0
_CACHE_ENTRIES = 10_000
# After the database did not answer.
_PAUSE_SECONDS = 5.0
_UNLIMITED = 1 << 31


class StoredLimits(Protocol):
    """What the records know of limits."""

    def limits(self, tenant: str) -> Limits:
        """What was set for the tenant."""


class TenantLimits:
    """Remembers the limits of tenants for a moment; bounded."""

    def __init__(
        self,
        records: StoredLimits,
        defaults: Limits,
        *,
        seconds: float = CACHE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._records, self.defaults = records, defaults
        self._seconds, self._clock = seconds, clock
        self._known: dict[str, tuple[float, Limits, Amounts]] = {}
        self._paused_until = 0.0

    def of(self, tenant: str) -> Limits:
        """The limits that hold for the tenant; `None` in them is no limit.

        While the database does not answer, what was known last goes on to hold.
        """
        return self._current(tenant)[1]

    def amounts(self, tenant: str) -> Amounts:
        """What the tenant may do in a minute."""
        return self._current(tenant)[2]

    def _current(self, tenant: str) -> tuple[float, Limits, Amounts]:
        now = self._clock()
        known = self._known.get(tenant)
        if known is not None and now < known[0]:
            return known
        limits = known[1] if known else self.defaults
        if now >= self._paused_until:
            try:
                limits = self._records.limits(tenant).over(self.defaults)
            except DatabaseUnavailable as error:
                # What comes next asks the database as well: one wait is enough.
                self._paused_until = self._clock() + _PAUSE_SECONDS
                log.warning("limits of tenants cannot be read: %s", error)
        if len(self._known) >= _CACHE_ENTRIES:
            # Everything goes at once: rare, cheap, and no bookkeeping on the hot path.
            self._known.clear()
        found = self._known[tenant] = (now + self._seconds, limits, _amounts(limits))
        return found

    def forget(self, tenant: str) -> None:
        """The next question is asked anew, in this process."""
        self._known.pop(tenant, None)


def _amounts(limits: Limits) -> Amounts:
    requests = limits.requests_per_minute or _UNLIMITED
    clients = limits.client_requests_per_minute or requests
    return Amounts(requests, clients, limits.bytes_per_minute)


class KeptLimits(StoredLimits, Protocol):
    """What the administration of limits asks the database; see `database.contract`."""

    def put_limits(self, tenant: str, limits: Limits) -> None:
        """Set a tenant's limits, all of them."""


class LimitsAdministration:
    """Reads and sets the limits of tenants."""

    def __init__(self, kept: KeptLimits, tenant_limits: TenantLimits) -> None:
        self._kept, self._tenant_limits = kept, tenant_limits

    def read(self, tenant: str) -> tuple[Limits, Limits]:
        """Return a tenant's limits as they were set, and as they hold."""
        stored = self._kept.limits(tenant)
        return stored, stored.over(self._tenant_limits.defaults)

    def set(self, tenant: str, limits: Limits) -> None:
        """Set all limits of a tenant."""
        self._kept.put_limits(tenant, limits)
        self._tenant_limits.forget(tenant)
