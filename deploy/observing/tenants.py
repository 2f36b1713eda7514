"""Which tenant causes what: load, bytes, refusals, failures, and who is near its quota."""

from __future__ import annotations

from deploy.observing.panels import Dashboard, Panel, Query, Row, Variable, bars, graph, stat, table
from deploy.observing.promql import INSTALLATION, grown, rate, series, top, total

_ONE = f'{INSTALLATION}, tenant=~"$tenant"'
_NEAR = f"wharf:tenant_quota_used:ratio{{{_ONE}}}"
VARIABLES = (
    Variable("installation", "Installation", 'label_values(up{job=~"wharf.*"}, installation)'),
    Variable(
        "tenant", "Tenant", f"label_values(wharf_tenant_requests_total{{{INSTALLATION}}}, tenant)"
    ),
)


def _grown(metric: str, where: str = "") -> str:
    return grown(metric, "tenant", where, _ONE)


def _rate(metric: str, by: str = "tenant", where: str = "") -> str:
    return rate(metric, by, where, _ONE)


def _largest(metric: str, by: str) -> str:
    """Of gauges that each worker exports alike."""
    return f"max by ({by}) ({series(metric, chosen=_ONE)})"


def _first(title: str, description: str, unit: str, expr: str) -> Panel:
    return bars(
        title, description, unit, Query(top(10, expr), "{{tenant}}"), width=6, to_tenant=True
    )


def _over_time(title: str, description: str, unit: str, expr: str, legend: str = "") -> Panel:
    return graph(
        title, description, unit, Query(expr, legend or "{{tenant}}"), stacked=True, to_tenant=True
    )


_WHO = Row(
    "Who causes what, in the time shown above",
    (
        table(
            "Tenants, the one that takes most of the services first",
            "share: part of all the time that services spent, the best single measure of load. "
            "(other): all tenants beyond the WHARF_METRICS_TENANTS with most traffic; (none): "
            "requests without a valid credential. Click on a column to sort by it.",
            "short",
            Query(
                f"{_grown('wharf_tenant_service_seconds_total')} / "
                f"scalar({grown('wharf_tenant_service_seconds_total', chosen=INSTALLATION)})"
            ),
            Query(_grown("wharf_tenant_service_seconds_total")),
            Query(_grown("wharf_tenant_requests_total")),
            Query(_grown("wharf_tenant_received_bytes_total")),
            Query(_grown("wharf_tenant_sent_bytes_total")),
            Query(_grown("wharf_tenant_refusals_total")),
            Query(_grown("wharf_tenant_requests_total", 'class="5xx"')),
            Query(f"max by (tenant) ({_NEAR})"),
            width=24,
            height=10,
            columns=(
                ("share", "percentunit"),
                ("service time", "s"),
                ("requests", "short"),
                ("bytes in", "bytes"),
                ("bytes out", "bytes"),
                ("refused", "short"),
                ("failed", "short"),
                ("quota used", "percentunit"),
            ),
            to_tenant=True,
        ),
        _first(
            "Most requests",
            "Requests answered in the time shown.",
            "short",
            _grown("wharf_tenant_requests_total"),
        ),
        _first(
            "Most bytes in",
            "Bytes of requests in the time shown.",
            "bytes",
            _grown("wharf_tenant_received_bytes_total"),
        ),
        _first(
            "Most bytes out",
            "Bytes of answers in the time shown.",
            "bytes",
            _grown("wharf_tenant_sent_bytes_total"),
        ),
        _first(
            "Most refused",
            "Requests refused in the time shown, for whatever reason; the graphs below say which.",
            "short",
            _grown("wharf_tenant_refusals_total"),
        ),
    ),
)
_WHEN = Row(
    "Since when",
    (
        _over_time("Requests", "By tenant.", "reqps", _rate("wharf_tenant_requests_total")),
        _over_time(
            "Time of the services",
            "Seconds of service time per second, that is threads that this tenant keeps busy. "
            "Capacity shows how many there are.",
            "short",
            _rate("wharf_tenant_service_seconds_total"),
        ),
        _over_time(
            "Refused for its rate (429)",
            "Requests above a limit of requests, bytes or uploads at the same time: this "
            "tenant is held back, as its limits say.",
            "reqps",
            _rate("wharf_tenant_refusals_total", where='reason="rate"'),
        ),
        _over_time(
            "Bytes in",
            "Of requests, heads included.",
            "Bps",
            _rate("wharf_tenant_received_bytes_total"),
        ),
        _over_time(
            "Bytes out",
            "Of answers, heads included.",
            "Bps",
            _rate("wharf_tenant_sent_bytes_total"),
        ),
        _over_time(
            "Refused for other reasons",
            "quota: 507; size: 413; denied: 401 and 403; other: the rest of 4xx, 404 included.",
            "reqps",
            _rate("wharf_tenant_refusals_total", "tenant, reason", 'reason!="rate"'),
            "{{tenant}} {{reason}}",
        ),
        _over_time(
            "Failures",
            "Answers of class 5xx. All tenants at once: the service's fault. One alone: look "
            "at what it asks.",
            "reqps",
            _rate("wharf_tenant_requests_total", where='class="5xx"'),
        ),
        _over_time(
            "Connections closed by the client",
            "Requests whose client went away before the answer, or whose body was cut for "
            "being slow.",
            "reqps",
            _rate("wharf_tenant_requests_total", where='class="closed"'),
        ),
        graph(
            "Time for one request, mean",
            "Service time by request. A tenant far above the others sends large forms, or lists.",
            "s",
            Query(
                f"{_rate('wharf_tenant_service_seconds_total')} / "
                f"({_rate('wharf_tenant_requests_total')} > 0)",
                "{{tenant}}",
            ),
            to_tenant=True,
        ),
    ),
)
_QUOTAS = Row(
    "Quotas",
    (
        bars(
            "Nearest to their quota",
            "Of bytes and files whichever is used up more. At 100 % uploads are refused with 507.",
            "percentunit",
            Query(top(10, f"max by (tenant) ({_NEAR})"), "{{tenant}}"),
            steps=(0.8, 0.9),
            bounds=(0, 1),
            to_tenant=True,
        ),
        stat(
            "Near their quota",
            "Tenants at or above WHARF_QUOTA_WARNING_PERCENT, those without a label of their "
            "own included.",
            "short",
            Query(
                f"max({series('wharf_tenants_near_quota', chosen=INSTALLATION)})",
                "near their quota",
            ),
            Query(f"max({series('wharf_tenants', chosen=INSTALLATION)})", "store something"),
            Query(
                f"max({series('wharf_tenants_tracked', chosen=INSTALLATION)})",
                "have a label of their own",
            ),
        ),
        table(
            "Used and allowed",
            "Nothing under allowed: no limit is set. Changed with PUT "
            "/v1/tenants/<tenant>/limits (docs/operating.md).",
            "short",
            Query(_largest("wharf_tenant_used_bytes", "tenant")),
            Query(_largest("wharf_tenant_limit_bytes", "tenant")),
            Query(_largest("wharf_tenant_used_files", "tenant")),
            Query(_largest("wharf_tenant_limit_files", "tenant")),
            columns=(
                ("bytes", "bytes"),
                ("bytes allowed", "bytes"),
                ("files", "short"),
                ("files allowed", "short"),
            ),
            to_tenant=True,
        ),
        graph(
            "Bytes stored",
            "What counts against the quota, by tenant.",
            "bytes",
            Query(_largest("wharf_tenant_used_bytes", "tenant"), "{{tenant}}"),
            width=12,
            stacked=True,
            to_tenant=True,
        ),
        graph(
            "Quota used",
            "Of bytes and files whichever is used up more.",
            "percentunit",
            Query(f"max by (tenant) ({_NEAR})", "{{tenant}}"),
            width=12,
            steps=(0.9,),
            bounds=(0, 1),
            to_tenant=True,
        ),
    ),
)
_CHOSEN = Row(
    "The tenants chosen above, together",
    (
        graph(
            "Answers by class",
            "2xx done, 4xx refused, 5xx failed, closed: the client went away.",
            "reqps",
            Query(_rate("wharf_tenant_requests_total", "class"), "{{class}}"),
            stacked=True,
        ),
        graph(
            "Refusals by reason",
            "rate: 429, quota: 507, size: 413, denied: 401 and 403, other: the rest of 4xx.",
            "reqps",
            Query(_rate("wharf_tenant_refusals_total", "reason"), "{{reason}}"),
            stacked=True,
        ),
        graph(
            "Bytes",
            "In and out.",
            "Bps",
            Query(total(_rate("wharf_tenant_received_bytes_total")), "in"),
            Query(total(_rate("wharf_tenant_sent_bytes_total")), "out"),
        ),
    ),
)
TENANTS = Dashboard(
    "wharf-tenants",
    "Wharf: tenants",
    "Which tenant causes what. The table on top names the one that takes most; the graphs "
    "below say since when and of which kind. Click on a tenant to see it alone.",
    (_WHO, _WHEN, _QUOTAS, _CHOSEN),
    VARIABLES,
)
