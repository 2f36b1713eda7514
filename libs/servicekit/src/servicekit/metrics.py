"""Prometheus metrics, right across uWSGI's workers: prometheus_client's multi-process mode.

`/metrics` is answered only when nginx says that the request came in on the internal port: it sets
the uwsgi parameter `WHARF_INTERNAL`, which no client can set (it lacks the prefix `HTTP_`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from flask import Flask, Response, request
from prometheus_client import Counter, Histogram
from prometheus_flask_exporter import PrometheusMetrics

from servicekit.problems import NOT_FOUND

REQUESTS = Counter(
    "wharf_http_requests_total", "HTTP requests answered.", ("route", "method", "status")
)
SECONDS = Histogram(
    "wharf_http_request_duration_seconds",
    "Time from the application's first look at a request to its answer.",
    ("route",),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
LOG_LINES_LOST = Counter(
    "wharf_log_lines_lost_total", "Log lines of requests that could not be written."
)
PROBLEMS = Counter("wharf_problems_total", "Requests refused, by problem.", ("slug",))

_METHODS = frozenset(("GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"))
_children: dict[tuple[str, str, int], tuple[Any, Any]] = {}


def observe(route: str, method: str, status: int, seconds: float) -> None:
    """Counts one answered request; `route` is a pattern, never a path: labels stay bounded."""
    key = (route, method if method in _METHODS else "other", status)
    children = _children.get(key)
    if children is None:
        children = _children[key] = (
            REQUESTS.labels(route, key[1], str(status)),
            SECONDS.labels(route),
        )
    children[0].inc()
    children[1].observe(seconds)


def is_internal(environ: Mapping[str, Any]) -> bool:
    """Whether the request came in on the gateway's internal port."""
    return environ.get("WHARF_INTERNAL") == "1"


def install(app: Flask, before_scrape: Callable[[], None] = lambda: None) -> None:
    """Adds `GET /metrics` for the internal port.

    `before_scrape` sets the gauges whose value is known only at the moment it is asked for.
    """
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        from prometheus_flask_exporter.multiprocess import UWsgiPrometheusMetrics

        exporter: PrometheusMetrics = UWsgiPrometheusMetrics(app, export_defaults=False)
    else:
        exporter = PrometheusMetrics(app, path=None, export_defaults=False)

    def metrics() -> Response:
        if not is_internal(request.environ):
            raise NOT_FOUND("Nothing is here.")
        before_scrape()
        text, content_type = exporter.generate_metrics()
        return Response(text, content_type=content_type)

    metrics.public = True  # type: ignore[attr-defined]
    app.add_url_rule("/metrics", view_func=metrics, methods=["GET"])
