"""The guard that closes nginx's slow or surplus connections, with its settings and metrics."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from socket_guard.announced import Announced
from socket_guard.floor import BodyFloor
from socket_guard.guard import CROWD, SLOW, Guard
from wharf_gateway import connections, trusted_proxies
from wharf_gateway.bodies_under_way import BodiesUnderWay
from wharf_gateway.metrics_file import Metric, MetricsFile
from wharf_gateway.settings import BODY_MIN_BYTES_PER_SECOND, BODY_WINDOW_SECONDS
from wharf_gateway.terminal import log

_CUT = Metric(
    "wharf_gateway_slow_bodies_cut_total",
    "counter",
    "Requests that arrived more slowly than WHARF_BODY_MIN_BYTES_PER_SECOND and were cut.",
)
_CLOSED = Metric(
    "wharf_gateway_connections_closed_total",
    "counter",
    "Connections above the share of an address (WHARF_ADDRESS_OPEN_CONNECTIONS) that were closed.",
)
_LIMIT = Metric(
    "wharf_nginx_connections_limit",
    "gauge",
    "Connections that all workers of nginx together may have.",
)
# nginx's lines about bodies are read at least this often, even when no check needs them.
_READ_SECONDS = 60.0


class ConnectionGuard(Guard):
    """The guard over the gateway's connections; it counts the connections that it closes.

    Args:
        gateways: returns the ids of nginx's master processes; there are several while a new one
            takes over.
        ports: the public ports.
        environ: the settings.
        metrics: receives the counts.
        bodies: the file in which nginx logs bodies; it may be missing.
    """

    def __init__(
        self,
        gateways: Callable[[], list[int]],
        ports: Sequence[int],
        environ: Mapping[str, str],
        metrics: MetricsFile,
        bodies: str,
    ) -> None:
        self._metrics, self._gateways = metrics, gateways
        self._bodies, self._read_at = BodiesUnderWay(bodies, self._reopen), 0.0
        self._advice = trusted_proxies.advice(environ)
        self._cut, self._limit = Counter[str](), connections.most_connections(environ)
        super().__init__(
            gateways,
            ports,
            floor=BodyFloor(
                BODY_MIN_BYTES_PER_SECOND.number(environ), BODY_WINDOW_SECONDS.number(environ)
            ),
            shares=connections.shares(environ),
            log=log,
            on_cut=self._count,
            announced=self._read_bodies,
        )
        self._write_metrics()

    def check(self) -> None:
        """Log a lack of descriptors, an old setting, and a machine that does not allow checks."""
        for line in filter(None, (connections.shortage(), self._advice)):
            log(line)
        super().check()

    def poll(self) -> None:
        """Close slow and surplus connections; read nginx's lines about bodies each minute."""
        super().poll()
        if time.monotonic() - self._read_at >= _READ_SECONDS:
            self._read_bodies()

    def _read_bodies(self) -> Announced:
        self._read_at = time.monotonic()
        return self._bodies.read()

    def _reopen(self) -> None:
        for pid in self._gateways():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGUSR1)

    def _count(self, why: str, ended: int) -> None:
        self._cut[why] += ended
        self._write_metrics()

    def _write_metrics(self) -> None:
        self._metrics.update(
            {_CUT: self._cut[SLOW], _CLOSED: self._cut[CROWD], _LIMIT: self._limit}
        )
