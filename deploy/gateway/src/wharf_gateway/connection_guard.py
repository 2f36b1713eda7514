"""The floor for slow request bodies over nginx's connections, with its settings and metrics."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from slow_body_floor.guard import Guard
from wharf_gateway.settings import (
    BODY_MIN_BYTES_PER_SECOND,
    BODY_WINDOW_SECONDS,
    most_connections,
)
from wharf_gateway.terminal import log

# Name, type and help text (Prometheus' text format, version 0.0.4).
_CUT = (
    "wharf_gateway_slow_bodies_cut_total",
    "counter",
    "Requests that came in below WHARF_BODY_MIN_BYTES_PER_SECOND and were cut.",
)
_LIMIT = (
    "wharf_nginx_connections_limit",
    "gauge",
    "Connections that all workers of nginx together may have.",
)


class BodyGuard(Guard):
    """Watches over the gateway's connections, and counts what it cuts.

    Args:
        gateways: ids of nginx's master processes: more than one while a new one takes over.
        port: the public one.
        environ: has the settings.
        metrics_file: where the gateway's internal port finds what is counted here.
    """

    def __init__(
        self,
        gateways: Callable[[], list[int]],
        port: int,
        environ: Mapping[str, str],
        metrics_file: str,
    ) -> None:
        self._metrics_file = metrics_file
        self._cut, self._limit = 0, most_connections(environ)
        super().__init__(
            gateways,
            port,
            bytes_per_second=BODY_MIN_BYTES_PER_SECOND.number(environ),
            window_seconds=BODY_WINDOW_SECONDS.number(environ),
            log=log,
            on_cut=self._count,
        )
        self._write_metrics()

    def _count(self, ended: int) -> None:
        self._cut += ended
        self._write_metrics()

    def _write_metrics(self) -> None:
        new = f"{self._metrics_file}.new"
        with open(new, "w", encoding="ascii") as file:
            file.writelines(
                f"# HELP {name} {text}\n# TYPE {name} {kind}\n{name} {value}\n"
                for (name, kind, text), value in ((_CUT, self._cut), (_LIMIT, self._limit))
            )
        os.replace(new, self._metrics_file)
