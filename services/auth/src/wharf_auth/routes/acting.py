"""The actor of a request for the audit log, and the audit log's lines about refused requests."""

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
# No id of Wharf is longer. The path comes from the client, so the log cuts longer texts.
_MAX_CHARACTERS = 64
_REFUSALS_AN_HOUR = 100
#: The name of the app's extension that counts further requests against the rate limits
#: (`ratelimits.RateLimits.count_more`).
COUNT_MORE = "count-more"
_ROWS_A_REQUEST = 10


def actor(principal: Principal | None = None) -> Actor:
    """Return the actor of the request: its principal, unless another principal is given."""
    who: Principal = principal or g.principal
    return Actor(who.subject, who.tenant, request.remote_addr or "", g.request_id)


def count_rows(rows: int) -> None:
    """Count a request that writes many rows as several requests of its caller.

    This function never refuses the request, even if the count now exceeds the rate limit.
    """
    further = (rows - 1) // _ROWS_A_REQUEST
    if further > 0:
        caller: Principal = g.principal
        current_app.extensions[COUNT_MORE](caller.tenant, caller.subject, further)


def _asked_about(own_tenant: str) -> str:
    """Return the names in the request's path, without a check in the database that they exist.

    For another tenant than `own_tenant` the text begins with its name and a slash, so that a reader
    does not take its users and clients for those of the own tenant.
    """
    names = {
        name: str(value)[:_MAX_CHARACTERS] for name, value in (request.view_args or {}).items()
    }
    if len(names) > 1 and names.get("tenant") == own_tenant:
        del names["tenant"]
    return "/".join(names.values())


class RefusalCount:
    """A count of the refused requests of each tenant, in this process and in the current hour.

    A caller can cause refusals without any cost. Without a limit, refusals would displace the lines
    about completed acts from the audit log.
    """

    def __init__(self, clock: Clock, most: int = _REFUSALS_AN_HOUR) -> None:
        self._clock, self._most = clock, most
        self._hour, self._counts = 0, dict[str, int]()
        self._lock = threading.Lock()

    def has_room(self, tenant: str) -> bool:
        """Count one refusal, and tell whether the audit log may still store it."""
        hour = int(self._clock() // 3600)
        with self._lock:
            if hour != self._hour:
                self._hour, self._counts = hour, {}
            count = self._counts[tenant] = self._counts.get(tenant, 0) + 1
        if count == self._most + 1:
            log.warning(
                "more than %d requests of the tenant %s were refused in this hour: the audit log "
                "stores no more of them, the request log has all of them",
                self._most,
                tenant,
            )
        return count <= self._most


def note_refusals(app: Flask, records: Records, clock: Clock) -> None:
    """Install a hook that adds refused administrative requests to the audit log.

    An act that succeeds is added in the transaction that changes the records.
    """
    counted = RefusalCount(clock)

    @app.after_request
    def note(response: Response) -> Response:
        # A flood of requests that the rate limit refuses (429) must not become a flood of rows.
        worth = 400 <= response.status_code < 500 and response.status_code != 429
        administration = request.path.startswith(_ADMINISTRATION)
        if not (worth and administration and g.get("principal")) or request.method in _READING:
            return response
        if not counted.has_room(g.principal.tenant):
            return response
        act = actor().does(
            (request.endpoint or "unknown")[:_MAX_CHARACTERS],
            # A caller must not be able to add lines to another tenant's log by refused requests.
            tenant=g.principal.tenant,
            about=_asked_about(g.principal.tenant),
            at=milliseconds(clock),
            outcome=g.get("outcome") or str(response.status_code),
        )
        try:
            records.note(act)
        except DatabaseUnavailable as error:
            # The request changed nothing, and its response is ready: losing the line is tolerable.
            log.error("a refused request is missing in the audit log: %s", error)  # noqa: TRY400 -- one line
        return response
