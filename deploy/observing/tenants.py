"""The tenants' dashboard: the load, bytes, refusals, failures and quota of each tenant."""

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
    """Return PromQL for the largest value of a gauge that each worker exports."""
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
            "share: part of the services' whole time, the best single measure of load. (other): "
            "all tenants except the WHARF_METRICS_TENANTS tenants with the most traffic; (none): "
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
            "Completed requests in the time shown.",
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
            "Bytes of responses in the time shown.",
            "bytes",
            _grown("wharf_tenant_sent_bytes_total"),
        ),
        _first(
            "Most refused",
            "Refused requests in the time shown; the graphs below show the reasons.",
            "short",
            _grown("wharf_tenant_refusals_total"),
        ),
    ),
)
_WHEN = Row(
    "Since when",
    (
        _over_time(
            "Requests", "Requests by tenant.", "reqps", _rate("wharf_tenant_requests_total")
        ),
        _over_time(
            "Time of the services",
            "Seconds of service time per second, which is the number of threads that this tenant "
            "keeps busy. The dashboard Capacity shows the number of threads.",
            "short",
            _rate("wharf_tenant_service_seconds_total"),
        ),
        _over_time(
            "Refused for its rate (429)",
            "Requests above the tenant's limit of requests, bytes or concurrent uploads.",
            "reqps",
            _rate("wharf_tenant_refusals_total", where='reason="rate"'),
        ),
        _over_time(
            "Bytes in",
            "Bytes of requests, with their heads.",
            "Bps",
            _rate("wharf_tenant_received_bytes_total"),
        ),
        _over_time(
            "Bytes out",
            "Bytes of responses, with their heads.",
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
            "Responses of class 5xx. If all tenants have failures, the service has a fault. If "
            "only one has them, examine its requests.",
            "reqps",
            _rate("wharf_tenant_requests_total", where='class="5xx"'),
        ),
        _over_time(
            "Connections closed by the client",
            "Requests whose client disconnected before the response, or whose body was cut "
            "because it was slow.",
            "reqps",
            _rate("wharf_tenant_requests_total", where='class="closed"'),
        ),
        graph(
            "Time for one request, mean",
            "Mean service time of a request. A tenant far above the others sends large forms or "
            "requests lists.",
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
            "The larger of the used parts of bytes and files. At 100 % uploads are refused with "
            "507.",
            "percentunit",
            Query(top(10, f"max by (tenant) ({_NEAR})"), "{{tenant}}"),
            steps=(0.8, 0.9),
            bounds=(0, 1),
            to_tenant=True,
        ),
        stat(
            "Near their quota",
            "Tenants at or above WHARF_QUOTA_WARNING_PERCENT, also those without a separate label.",
            "short",
            Query(
                f"max({series('wharf_tenants_near_quota', chosen=INSTALLATION)})",
                "near their quota",
            ),
            Query(f"max({series('wharf_tenants', chosen=INSTALLATION)})", "store something"),
            Query(
                f"max({series('wharf_tenants_tracked', chosen=INSTALLATION)})",
                "have a separate label",
            ),
        ),
        table(
            "Used and allowed",
            "Stored bytes and files, and their limits; an empty field means no limit. Change "
            "limits with PUT /v1/tenants/<tenant>/limits (docs/operating.md).",
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
            "Bytes that count against the quota, by tenant.",
            "bytes",
            Query(_largest("wharf_tenant_used_bytes", "tenant"), "{{tenant}}"),
            width=12,
            stacked=True,
            to_tenant=True,
        ),
        graph(
            "Quota used",
            "The larger of the used parts of bytes and files.",
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
            "2xx: done; 4xx: refused; 5xx: failed; closed: the client disconnected.",
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
            "Received and sent bytes.",
            "Bps",
            Query(total(_rate("wharf_tenant_received_bytes_total")), "in"),
            Query(total(_rate("wharf_tenant_sent_bytes_total")), "out"),
        ),
    ),
)
TENANTS = Dashboard(
    "wharf-tenants",
    "Wharf: tenants",
    "The load of each tenant. The table at the top begins with the tenant that uses most; the "
    "graphs below show the kind and the time of the load. Click on a tenant to see only it.",
    (_WHO, _WHEN, _QUOTAS, _CHOSEN),
    VARIABLES,
)
