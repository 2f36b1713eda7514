"""Liveness and readiness: `/healthz` says the process answers, `/readyz` names what is down.

Ready is also who goes on with less than everything: `degraded` then names what is missing.
`/readyz?exclude=database` leaves a part out, as kube-apiserver's does: a balancer that took away
every replica because of what they share would leave nobody to say 503 with `Retry-After`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from flask import Flask, Response, request

from servicekit.protected_routes import protected
from servicekit.protection import public
from servicekit.web import json_response

log = logging.getLogger(__name__)
# Raises, or returns an explanation of what is wrong, or `None` when all is well.
Check = Callable[[], str | None]


def install(
    app: Flask,
    checks: Mapping[str, Check],
    prefix: str = "",
    *,
    helpful: Mapping[str, Check] | None = None,
) -> None:
    """Adds both routes below `prefix`.

    A check is a part's name and a function that is called for each request. Without a part of
    `checks` the service is not ready (503), without one of `helpful` it is ready and degraded.
    """

    def healthz() -> Response:
        return json_response({"status": "ok"})

    def readyz() -> Response:
        left_out = request.args.getlist("exclude")
        down = failures({name: check for name, check in checks.items() if name not in left_out})
        if down:
            reply = json_response({"status": "unavailable", "down": down}, 503)
            reply.headers["Retry-After"] = "1"
            return reply
        missing = failures(helpful or {})
        if missing:
            return json_response({"status": "degraded", "degraded": missing})
        return json_response({"status": "ready"})

    for path, view in (("/healthz", healthz), ("/readyz", readyz)):
        open_view = protected(view, public("probes have no token; names of parts are no secret"))
        app.add_url_rule(prefix + path, view_func=open_view, methods=["GET"])


def failures(checks: Mapping[str, Check]) -> dict[str, str]:
    """The parts that are down, with a word on why; never an address or a path."""
    down = {}
    for name, check in checks.items():
        try:
            error = check()
        except Exception as failure:  # noqa: BLE001 -- whatever it is, the part is not ready
            log.warning("readiness check %s failed: %s", name, failure)
            error = type(failure).__name__
        if error:
            down[name] = error
    return down
