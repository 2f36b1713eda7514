"""The application that uWSGI runs for `test_counters.py`: counters in uWSGI's cache, and a route
with rate limits.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from flask import Flask, Response, g, request

from servicekit import logs, web
from servicekit.ratelimits import RateLimits, RateLimitSettings
from servicekit.ratelimits.uwsgicache import UwsgiCacheStorage
from servicekit.tokens import Principal

application = Flask(__name__)
storage = UwsgiCacheStorage("uwsgi-cache://limits")
web.install(application, logs.RequestLog("counting"), None)


@application.before_request
def principal() -> None:
    """Read the principal from the query of the request, because tests need no tokens."""
    if "tenant" in request.args:
        g.principal = Principal(request.args["tenant"], "client", frozenset(), "jti", 0)


limits = RateLimits(RateLimitSettings("uwsgi-cache://limits", 100, 10), lambda: g.principal)
limits.init_app(application)


@application.after_request
def worker(response: Response) -> Response:
    """Name the worker in each response."""
    response.headers["X-Worker"] = str(os.getpid())
    return response


@application.get("/limited")
def limited() -> str:
    """Serve a route with rate limits."""
    return "ok"


@application.get("/storage/<call>")
def storage_call(call: str) -> Response:
    """Run one call of the storage's contract and return its result with the worker's process id."""
    key = request.args.get("key", "")
    expiry, amount = int(request.args.get("expiry", 0)), int(request.args.get("amount", 1))
    calls: dict[str, Callable[[], object]] = {
        "incr": lambda: storage.incr(key, expiry, amount),
        "get": lambda: storage.get(key),
        "get_expiry": lambda: storage.get_expiry(key),
        "check": storage.check,
        "reset": storage.reset,
        "clear": lambda: storage.clear(key),
    }
    return web.json_response([os.getpid(), calls[call]()])
