"""Liveness and readiness: `/healthz` says the process answers, `/readyz` names what is down.

Ready is also who goes on with less than everything: `degraded` then names what is missing.
`/readyz?exclude=database` leaves a part out, as kube-apiserver's does: a balancer that took away
every replica because of what they share would leave nobody to say 503 with `Retry-After`.
"""

from __future__ import annotations

from collections.abc import Mapping

from flask import Flask, Response, request

from servicekit import readiness
from servicekit.protected_routes import protected
from servicekit.protection import public
from servicekit.readiness import Check
from servicekit.web import json_response


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
        found = readiness.state(checks, helpful or {}, request.args.getlist("exclude"))
        if "down" not in found:
            return json_response(found)
        reply = json_response(found, 503)
        reply.headers["Retry-After"] = "1"
        return reply

    for path, view in (("/healthz", healthz), ("/readyz", readyz)):
        open_view = protected(view, public("probes have no token; names of parts are no secret"))
        app.add_url_rule(prefix + path, view_func=open_view, methods=["GET"])
