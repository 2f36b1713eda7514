"""Who acts in a request, for the audit log; refused acts are noted here too."""

from __future__ import annotations

import logging
import threading

from flask import Flask, Response, current_app, g, request

from servicekit.database import DatabaseUnavailable
from servicekit.tokens import Principal
from wharf_auth.database.contract import Records
from wharf_auth.domain.acts import Actor
from wharf_auth.domain.clock import Clock, milliseconds

log = logging.getLogger(__name__)
_ADMINISTRATION = "/auth/v1/"
_READING = frozenset(("GET", "HEAD", "OPTIONS"))
# Longer ids are none of ours: a path decides what stands in the log.
_MAX_CHARACTERS = 64
_REFUSALS_AN_HOUR = 100
#: The extension that counts further requests (`ratelimits.RateLimits.count_more`).
COUNT_MORE = "count-more"
_ROWS_A_REQUEST = 10


def actor(principal: Principal | None = None) -> Actor:
    """Who asks: the request's principal, unless another is given."""
    who: Principal = principal or g.principal
    return Actor(who.subject, who.tenant, request.remote_addr or "", g.request_id)


def count_rows(rows: int) -> None:
    """Count a request that makes many rows as more requests of its caller.

    It is not refused: it may be the minute's last one.
    """
    further = (rows - 1) // _ROWS_A_REQUEST
    if further > 0:
        caller: Principal = g.principal
        current_app.extensions[COUNT_MORE](caller.tenant, caller.subject, further)


def _asked_about(own_tenant: str) -> str:
    """Return what the path names, in the caller's own words: nothing is looked up.

    Another tenant stands before it, so that its people and clients are not taken for own ones.
    """
    names = {
        name: str(value)[:_MAX_CHARACTERS] for name, value in (request.view_args or {}).items()
    }
    if len(names) > 1 and names.get("tenant") == own_tenant:
        del names["tenant"]
    return "/".join(names.values())


class RefusalCount:
    """Counts the refusals of each tenant's callers in this process, in hours of the clock.

    Refusals cost their caller nothing: they would push what was done out of the audit log.
    """

    def __init__(self, clock: Clock, most: int = _REFUSALS_AN_HOUR) -> None:
        self._clock, self._most = clock, most
        self._hour, self._counts = 0, dict[str, int]()
        self._lock = threading.Lock()

    def has_room(self, tenant: str) -> bool:
        """Count one; tell whether it is to be noted."""
        hour = int(self._clock() // 3600)
        with self._lock:
            if hour != self._hour:
                self._hour, self._counts = hour, {}
            count = self._counts[tenant] = self._counts.get(tenant, 0) + 1
        if count == self._most + 1:
            log.warning(
                "more than %d requests of the tenant %s were refused: the audit log has no more of "
                "them in this hour, the log of requests has all",
                self._most,
                tenant,
            )
        return count <= self._most


def note_refusals(app: Flask, records: Records, clock: Clock) -> None:
    """Has the audit log say who tried what in vain. What was done is noted with its records."""
    counted = RefusalCount(clock)

    @app.after_request
    def note(response: Response) -> Response:
        # A flood that the rate limit holds back must not become a flood of rows.
        worth = 400 <= response.status_code < 500 and response.status_code != 429
        administration = request.path.startswith(_ADMINISTRATION)
        if not (worth and administration and g.get("principal")) or request.method in _READING:
            return response
        if not counted.has_room(g.principal.tenant):
            return response
        act = actor().does(
            (request.endpoint or "unknown")[:_MAX_CHARACTERS],
            # Nobody writes into the log of another tenant by asking in vain.
            tenant=g.principal.tenant,
            about=_asked_about(g.principal.tenant),
            at=milliseconds(clock),
            outcome=g.get("outcome") or str(response.status_code),
        )
        try:
            records.note(act)
        except DatabaseUnavailable as error:
            # Nothing was done, and the caller has its answer.
            log.error("a refusal is not noted: %s", error)  # noqa: TRY400 -- one line
        return response
