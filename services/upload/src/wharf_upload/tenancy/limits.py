"""The effective limits of tenants: the stored limits, with defaults from the settings.

Every request needs the limits, so a process caches them for two seconds. A changed limit applies in
all processes after that time.
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
# How long the cache does not ask the database after the database did not respond.
_PAUSE_SECONDS = 5.0
_UNLIMITED = 1 << 31


class StoredLimits(Protocol):
    """The stored limits in the records."""

    def limits(self, tenant: str) -> Limits:
        """Return the limits that were set for the tenant."""


class TenantLimits:
    """A bounded cache of the tenants' effective limits."""

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
        """Return the effective limits of the tenant; `None` in them is no limit.

        While the database does not respond, the limits that were read last apply, or the defaults.
        """
        return self._current(tenant)[1]

    def amounts(self, tenant: str) -> Amounts:
        """Return how many requests and bytes the tenant and its clients may send in a minute."""
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
                # The rest of the request also asks the database, so one wait for the database is
                # enough.
                self._paused_until = self._clock() + _PAUSE_SECONDS
                log.warning("limits of tenants cannot be read: %s", error)
        if len(self._known) >= _CACHE_ENTRIES:
            # Clear the whole cache: this is rare and cheap, and needs no bookkeeping in each
            # request.
            self._known.clear()
        found = self._known[tenant] = (now + self._seconds, limits, _amounts(limits))
        return found

    def forget(self, tenant: str) -> None:
        """Remove the tenant from this process's cache."""
        self._known.pop(tenant, None)


def _amounts(limits: Limits) -> Amounts:
    requests = limits.requests_per_minute or _UNLIMITED
    clients = limits.client_requests_per_minute or requests
    return Amounts(requests, clients, limits.bytes_per_minute)


class KeptLimits(StoredLimits, Protocol):
    """The queries of the administration of limits to the database; see `database.contract`."""

    def put_limits(self, tenant: str, limits: Limits) -> None:
        """Replace all limits of a tenant."""


class LimitsAdministration:
    """Reads and sets the limits of tenants."""

    def __init__(self, kept: KeptLimits, tenant_limits: TenantLimits) -> None:
        self._kept, self._tenant_limits = kept, tenant_limits

    def read(self, tenant: str) -> tuple[Limits, Limits]:
        """Return a tenant's stored limits, and its effective limits."""
        stored = self._kept.limits(tenant)
        return stored, stored.over(self._tenant_limits.defaults)

    def set(self, tenant: str, limits: Limits) -> None:
        """Set all limits of a tenant."""
        self._kept.put_limits(tenant, limits)
        self._tenant_limits.forget(tenant)
