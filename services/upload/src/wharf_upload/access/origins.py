"""Decides which web pages may use a bucket: origins (RFC 6454), cached for a moment.

An origin must equal one of the origins in the bucket's policy, byte for byte. `*` in the policy
permits every origin but `null`, because any sandboxed page has the origin `null`.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Collection
from typing import Protocol, TypeGuard

from servicekit.database import DatabaseUnavailable
from wharf_upload.domain.buckets import Bucket

ANY = "*"
REMEMBERED_SECONDS = 2.0
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]{0,31}://[!-.0-~]{1,255}\Z")


class ListedOrigins(Protocol):
    """The queries of `Origins` to the records."""

    def bucket(self, tenant: str, name: str) -> Bucket | None:
        """Return the bucket, or `None`."""

    def lists_origin(self, origin: str, tenant: str | None = None) -> bool:
        """Tell whether a bucket of the tenant lists the origin or `*`; `None` means any tenant."""


class Origins:
    """A bounded cache of decisions.

    The cache keeps a decision for `seconds`, or longer while the database is unavailable.
    """

    def __init__(
        self,
        records: ListedOrigins,
        *,
        seconds: float = REMEMBERED_SECONDS,
        entries: int = 4096,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._records, self._seconds, self._entries = records, seconds, entries
        self._clock = clock
        self._known: dict[tuple[str | None, str | None, str], tuple[float, bool]] = {}
        self._lock = threading.Lock()

    def allows(self, tenant: str | None, bucket: str | None, origin: str | None) -> bool:
        """Tell whether pages of `origin` may use the bucket; `None` means any bucket of the tenant.

        If the tenant is unknown (a preflight request, or a request without a valid token), return
        whether the pages may use any bucket at all. In this case the bucket's name is ignored, so
        the response does not reveal which tenant has which bucket. Never raises: while the database
        is unavailable, the cached decision applies, and without one the origin is not permitted.
        """
        if not is_origin(origin):
            return False
        question = (tenant, bucket if tenant is not None else None, origin)
        known = self._known.get(question)
        now = self._clock()
        if known is not None and now < known[0]:
            return known[1]
        try:
            allowed = self._ask(*question)
        except DatabaseUnavailable:
            return known is not None and known[1]
        with self._lock:
            if len(self._known) >= self._entries:
                self._known.clear()
            self._known[question] = (now + self._seconds, allowed)
        return allowed

    def _ask(self, tenant: str | None, bucket: str | None, origin: str) -> bool:
        if tenant is None or bucket is None:
            return self._records.lists_origin(origin, tenant)
        found = self._records.bucket(tenant, bucket)
        return found is not None and is_listed(origin, found.policy.cors_origins)


def is_origin(text: str | None) -> TypeGuard[str]:
    """Tell whether an `Origin` field names an origin; `null` does not name one."""
    return bool(text and _ORIGIN.match(text))


def is_listed(origin: str | None, listed: Collection[str]) -> bool:
    """Tell whether a policy's list of origins permits an origin."""
    return is_origin(origin) and (origin in listed or ANY in listed)
