"""The row for the live channel on the overview dashboard."""

from __future__ import annotations

from deploy.observing.panels import Query, Row, graph
from deploy.observing.promql import quantile, rate, series

LIVE = Row(
    "Live",
    (
        graph(
            "Live connections",
            "Open connections by transport, and the number of tenants with open connections.",
            "short",
            Query(
                f"sum by (transport) ({series('wharf_live_connections')})",
                "{{transport}}",
            ),
            Query(f"sum({series('wharf_live_following_tenants')})", "tenants followed"),
        ),
        graph(
            "From commit to connection",
            "Time from the commit of an event until it is sent to a connection. Without hints the "
            "process reads new events once a second.",
            "s",
            *(
                Query(quantile(part, "wharf_live_delivery_seconds"), name)
                for part, name in ((0.5, "half within"), (0.99, "99 % within"))
            ),
            steps=(1, 2),
        ),
        graph(
            "Events sent",
            "Events sent to connections: one event counts once for each connection.",
            "reqps",
            Query(rate("wharf_live_events_sent_total"), "events"),
        ),
        graph(
            "Live connections refused",
            "Handshakes and messages that were refused, by reason.",
            "reqps",
            Query(rate("wharf_live_refusals_total", "reason"), "{{reason}}"),
        ),
        graph(
            "Live connections that the server ended",
            "Each connection got a bye with this reason. resync: the connection stays open, and "
            "the client must read /v1/events again.",
            "reqps",
            Query(rate("wharf_live_byes_total", "reason"), "bye {{reason}}"),
            Query(rate("wharf_live_resyncs_total"), "resync"),
        ),
        graph(
            "Live channel reaches the database",
            "1: the last query for new events succeeded; 0: connections stay open and receive no "
            "events until a query succeeds.",
            "short",
            Query(series("wharf_live_database_up"), "{{instance}}"),
            bounds=(0, 1),
        ),
    ),
)
