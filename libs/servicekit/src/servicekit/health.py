"""Liveness and readiness: `/healthz` shows that the process responds, `/readyz` names failed parts.

A service that can work without a failed part is ready: `degraded` names the part.
`/readyz?exclude=database` leaves a check out, as in kube-apiserver. Without this parameter, a
balancer would remove all replicas when a part that they share fails, and no replica could respond
with 503 and `Retry-After`.
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
    """Add both routes below `prefix`.

    The checks are functions by the name of their part; each request calls them. If a check of
    `checks` fails, the service is not ready (503). If only a check of `helpful` fails, the service
    is ready and degraded.
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
        open_view = protected(
            view, public("probes have no token, and the names of parts are public")
        )
        app.add_url_rule(prefix + path, view_func=open_view, methods=["GET"])
