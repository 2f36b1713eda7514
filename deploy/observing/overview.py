"""The overview dashboard: shows whether the service works, and which part fails."""

from __future__ import annotations

from deploy.observing import background, console, images, live, object_store
from deploy.observing.panels import Dashboard, Panel, Query, Row, Variable, bars, graph, stat, table
from deploy.observing.promql import HERE, INSTALLATION, quantile, rate

_FIRING = f'ALERTS{{alertname=~"Wharf.+", alertstate="firing", {INSTALLATION}}}'
_UPLOADS = 'operation=~"upload_.+"'
_DOWNLOADS = 'operation=~"download.*"'
VARIABLES = (
    Variable("installation", "Installation", 'label_values(up{job=~"wharf.*"}, installation)'),
    Variable(
        "instance", "Instance", f'label_values(up{{job=~"wharf.*", {INSTALLATION}}}, instance)'
    ),
)


def _good(slo: str, title: str, description: str, objective: float) -> Panel:
    ratio = f'wharf:slo_errors:ratio_rate1h{{slo="{slo}", {INSTALLATION}}}'
    return stat(
        title,
        description,
        "percentunit",
        Query(f"1 - max({ratio})"),
        width=4,
        height=5,
        steps=(objective,),
        below=True,
        bounds=(None, None),
    )


_WELL = Row(
    "Is all well?",
    (
        stat(
            "Alerts that fire",
            "The number of Wharf's alerts that fire now; the table `Firing alerts` names them.",
            "short",
            Query(f"count({_FIRING}) or vector(0)"),
            width=4,
            height=5,
            steps=(1,),
        ),
        _good(
            "upload-availability",
            "Uploads answered, 1 h",
            "Part of the uploads of the last hour that did not fail. Failures are 5xx without 507 "
            "for a tenant's quota, but with 507 for a full disk. Objective 99.9 %.",
            0.999,
        ),
        _good(
            "upload-latency",
            "Uploads in time, 1 h",
            "Part of the uploads for which the services took at most one second, without the "
            "time in which the gateway received the body. Objective 99 %.",
            0.99,
        ),
        _good(
            "download-availability",
            "Downloads answered, 1 h",
            "Part of the downloads of the last hour that did not end with an error of the "
            "service. Objective 99.9 %.",
            0.999,
        ),
        _good(
            "download-latency",
            "Downloads in time, 1 h",
            "Part of the downloads that the services decided within 0.1 s, without the time for "
            "sending. Objective 99 %.",
            0.99,
        ),
        stat(
            "Targets down",
            "Parts of Wharf from which Prometheus gets no metrics: they are down, do not respond, "
            "or are not reachable.",
            "short",
            Query(f'count(up{{job=~"wharf.*", {HERE}}} == 0) or vector(0)'),
            width=4,
            height=5,
            steps=(1,),
        ),
        table(
            "Firing alerts",
            "Each alert has a page docs/runbooks/<alert>.md with its meaning, its cause and the "
            "remedy.",
            "short",
            Query(f"sum by (alertname, severity, instance, tenant, reason, slo) ({_FIRING})"),
            width=12,
            columns=(("firing", "short"),),
        ),
        bars(
            "Error budget left, 30 days",
            "The rest of the failures that 30 days may have. 100 %: no failure; 0 %: the "
            "objective is missed.",
            "percentunit",
            Query(
                f"1 - avg_over_time(wharf:slo_errors:ratio_rate5m{{{INSTALLATION}}}[30d]) / on "
                f"(slo) group_left() (1 - wharf:slo_objective:ratio)",
                "{{installation}} {{slo}}",
            ),
            width=12,
            steps=(0.01, 0.25),
            below=True,
            bounds=(0, 1),
        ),
    ),
)
_TRAFFIC = Row(
    "Traffic",
    (
        graph(
            "Requests by operation",
            "Requests that the gateway completed. upload_small: a PUT of up to 99,999 bytes; "
            "download_shared: signed links and public files.",
            "reqps",
            Query(rate("wharf_gateway_requests_total", "operation"), "{{operation}}"),
            stacked=True,
        ),
        graph(
            "Answers by class",
            "4xx: refusals; 5xx: failures; closed: the client disconnected before the response.",
            "reqps",
            Query(rate("wharf_gateway_answers_total", "class"), "{{class}}"),
            stacked=True,
        ),
        graph(
            "Bytes",
            "Received and sent bytes, with the heads of requests and responses.",
            "Bps",
            Query(rate("wharf_gateway_received_bytes_total"), "in"),
            Query(rate("wharf_gateway_sent_bytes_total"), "out"),
        ),
        graph(
            "Uploads by protocol",
            "Uploads that were stored. ietf and tus are resumable.",
            "reqps",
            Query(rate("wharf_uploads_total", "protocol", 'outcome="stored"'), "{{protocol}}"),
        ),
        graph(
            "Uploads that were not stored",
            "refused: the client's error or a limit (4xx, 507); failed: the service's error (5xx).",
            "reqps",
            Query(
                rate("wharf_uploads_total", "protocol, outcome", 'outcome=~"refused|failed"'),
                "{{protocol}} {{outcome}}",
            ),
        ),
        graph(
            "Stored",
            "Bytes of files that became visible.",
            "Bps",
            Query(rate("wharf_upload_stored_bytes_total", "protocol"), "{{protocol}}"),
            stacked=True,
        ),
    ),
)
_ERRORS = Row(
    "Errors and refusals",
    (
        graph(
            "Failures by operation",
            "Responses of class 5xx, without 507 for a tenant over its quota.",
            "reqps",
            Query(rate("wharf_gateway_answers_total", "operation", 'class="5xx"'), "{{operation}}"),
        ),
        graph(
            "Refusals by problem",
            "docs/problems.md explains each problem. The dashboard Tenants shows the tenants.",
            "reqps",
            Query(f"{rate('wharf_problems_total', 'slug')} > 0", "{{slug}}"),
        ),
        graph(
            "Answered by the gateway itself",
            "Errors that nginx returned without a service. 502 and 504: a service is down or does "
            "not respond; 429: limits by address and credential; 499: the client disconnected.",
            "reqps",
            Query(f"{rate('wharf_gateway_refusals_total', 'code')} > 0", "{{code}}"),
        ),
        graph(
            "Rate limits that were hit",
            "429 of the services by policy: requests of a client and of a tenant per minute, bytes "
            "of a tenant, logins.",
            "reqps",
            Query(rate("wharf_ratelimit_hits_total", "policy"), "{{policy}}"),
        ),
        graph(
            "Logins and tokens",
            "Issued tokens by grant type, and failed logins by reason.",
            "reqps",
            Query(rate("wharf_auth_tokens_issued_total", "grant"), "issued {{grant}}"),
            Query(rate("wharf_auth_logins_failed_total", "reason"), "failed {{reason}}"),
            Query(rate("wharf_auth_refresh_reused_total"), "refresh token used twice"),
            Query(rate("wharf_auth_persons_attacked_total"), "person under attack"),
        ),
        graph(
            "Budgets burn",
            "How many times faster than allowed the error budget burned in the last hour. "
            "A rate above 1 for 30 days misses the objective; a rate above 14.4 pages a person.",
            "short",
            Query(
                f"wharf:slo_errors:ratio_rate1h{{{INSTALLATION}}} / on (slo) group_left() (1 - "
                f"wharf:slo_objective:ratio)",
                "{{installation}} {{slo}}",
            ),
            steps=(1, 14.4),
        ),
    ),
)
_LATENCY = Row(
    "Time",
    (
        graph(
            "Uploads: time in the services",
            "Admission and storing, without the time in which the gateway receives the body.",
            "s",
            *(
                Query(
                    quantile(part, "wharf_gateway_service_duration_seconds", where=_UPLOADS), name
                )
                for part, name in (
                    (0.5, "half within"),
                    (0.95, "95 % within"),
                    (0.99, "99 % within"),
                )
            ),
            steps=(1,),
        ),
        graph(
            "Downloads: time in the services",
            "Time for the decision, before nginx sends the file.",
            "s",
            *(
                Query(
                    quantile(part, "wharf_gateway_service_duration_seconds", where=_DOWNLOADS), name
                )
                for part, name in (
                    (0.5, "half within"),
                    (0.95, "95 % within"),
                    (0.99, "99 % within"),
                )
            ),
            steps=(0.1,),
        ),
        graph(
            "Whole requests, 99 % within",
            "Time from the first byte of the request to the last byte of the response, with the "
            "time in which the client sends and reads.",
            "s",
            Query(
                quantile(0.99, "wharf_gateway_request_duration_seconds", "operation"),
                "{{operation}}",
            ),
        ),
        graph(
            "Services: 99 % by operation",
            "99th percentile over five minutes; it shows which operation is slow.",
            "s",
            Query(
                f"wharf:service_duration_seconds:p99_5m{{{INSTALLATION}}}",
                "{{installation}} {{operation}}",
            ),
        ),
        graph(
            "Stages of an upload, 99 % within",
            "receive: from the body's arrival in Python to the commit. A slow fsync points to the "
            "disk, a slow commit to the database, a slow hash to the digest daemon or processor.",
            "s",
            Query(quantile(0.99, "wharf_upload_stage_duration_seconds", "stage"), "{{stage}}"),
        ),
        graph(
            "Requests by route",
            "Requests as the services count them: a large upload counts twice, as (admission) and "
            "with its route.",
            "reqps",
            Query(rate("wharf_http_requests_total", "job, method, route"), "{{method}} {{route}}"),
            stacked=True,
        ),
        graph(
            "Routes, 99 % within",
            "Time inside the services, by route; (admission) and (sharing) are gateway questions.",
            "s",
            Query(
                quantile(0.99, "wharf_http_request_duration_seconds", "job, route, method"),
                "{{method}} {{route}}",
            ),
        ),
    ),
)
OVERVIEW = Dashboard(
    "wharf-overview",
    "Wharf: service",
    "Shows whether the service works; if not, which operation fails and since when. The dashboard "
    "Tenants shows the tenants that cause load, the dashboard Capacity the used resources.",
    (
        _WELL,
        _TRAFFIC,
        _ERRORS,
        _LATENCY,
        console.CONSOLE,
        live.LIVE,
        images.IMAGES,
        object_store.OBJECT_STORE,
        background.BACKGROUND,
    ),
    VARIABLES,
)
