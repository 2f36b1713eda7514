"""The Prometheus metrics of the console; docs/metrics.md describes them."""

from __future__ import annotations

from flask import Flask
from prometheus_client import Counter

from servicekit import metrics

LOGINS = Counter("wharf_console_logins_total", "Logins at the console, by outcome.", ("outcome",))
REFRESHES = Counter(
    "wharf_console_refreshes_total", "Refreshes of people's tokens, by outcome.", ("outcome",)
)
API_FAILURES = Counter(
    "wharf_console_api_unavailable_total", "Calls of the API that got no response."
)
CSP_REPORTS = Counter(
    "wharf_console_csp_reports_total", "Violations of the pages' policy that browsers reported."
)
for _outcome in ("ok", "refused"):
    LOGINS.labels(_outcome)
for _outcome in ("ok", "ended", "failed"):
    REFRESHES.labels(_outcome)


def install(app: Flask, version: str) -> None:
    """Add `GET /metrics`, and the same page at `/console/metrics` for the internal port."""
    metrics.install(app, version)
    rule = next(rule for rule in app.url_map.iter_rules() if rule.rule == "/metrics")
    view = app.view_functions[rule.endpoint]
    app.add_url_rule("/console/metrics", "console_metrics", view, methods=["GET"])
