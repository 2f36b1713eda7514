"""The row for the console on the overview dashboard."""

from __future__ import annotations

from deploy.observing.panels import Query, Row, graph
from deploy.observing.promql import quantile, rate

_PAGES = 'operation="console"'
CONSOLE = Row(
    "The console",
    (
        graph(
            "Pages of the console",
            "Pages, scripts and styles by class of status; people see 5xx as an error.",
            "reqps",
            Query(rate("wharf_gateway_answers_total", "class", _PAGES), "{{class}}"),
            stacked=True,
        ),
        graph(
            "Time for a page",
            "Time in which the console makes a page, with its requests to the API.",
            "s",
            *(
                Query(quantile(part, "wharf_gateway_service_duration_seconds", where=_PAGES), name)
                for part, name in ((0.5, "half within"), (0.95, "95 % within"))
            ),
            steps=(0.5,),
        ),
        graph(
            "Logins and the API behind the console",
            "Logins and refreshes by outcome, and requests to the API that got no response. "
            "Reports are about pages that violated their policy: see WharfConsolePolicyBroken.",
            "reqps",
            Query(rate("wharf_console_logins_total", "outcome"), "login {{outcome}}"),
            Query(rate("wharf_console_refreshes_total", "outcome"), "refresh {{outcome}}"),
            Query(rate("wharf_console_api_unavailable_total"), "no response of the API"),
            Query(rate("wharf_console_csp_reports_total"), "reports"),
        ),
    ),
)
