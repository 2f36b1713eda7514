"""Cuts request bodies that come below the floor, says so and counts."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping

from wharf_native import connections, foreign_sockets
from wharf_native.body_floor import STEPS_IN_WINDOW, BodyFloor
from wharf_native.gateway_settings import (
    BODY_MIN_BYTES_PER_SECOND,
    BODY_WINDOW_SECONDS,
    most_connections,
)
from wharf_native.terminal import log

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
_NAMED_ADDRESSES = 5


class BodyGuard:
    """Watches over the gateway's connections; `look` has to be called every `seconds`.

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
        rate = BODY_MIN_BYTES_PER_SECOND.number(environ)
        window = BODY_WINDOW_SECONDS.number(environ)
        self.seconds = window / STEPS_IN_WINDOW
        self._rate, self._floor = rate, BodyFloor(rate, window)
        self._gateways, self._port = gateways, port
        self._metrics_file = metrics_file
        self._working = rate > 0
        self._cut, self._limit = 0, most_connections(environ)
        self._next = 0.0
        self._write_metrics()

    def check(self) -> None:
        """Says once when this machine does not allow what the guard needs; it stays off then."""
        if not self._working:
            return
        try:
            connections.established(self._port)
            processes = [*self._workers(), *self._gateways()]
            os.close(foreign_sockets.duplicate(processes[0], 0))
        except OSError as error:
            self._working = False
            log(
                f"slow request bodies are not cut, only pauses are bounded: {error}. It takes "
                "netlink sockets and pidfd_getfd, which this machine or its sandbox refuses"
            )

    def poll(self) -> None:
        """Cuts what is too slow, when it is time to look."""
        now = time.monotonic()
        if not self._working or now < self._next or not self._gateways():
            return
        self._next = now + self.seconds
        try:
            slow = self._floor.too_slow(connections.established(self._port), now)
            if slow:
                self._end(slow)
        except OSError as error:
            # Out of memory or descriptors, or the gateway just ended: the next look may do.
            log(f"looking for slow request bodies failed: {error}")

    def _workers(self) -> list[int]:
        return [pid for master in self._gateways() for pid in foreign_sockets.children(master)]

    def _end(self, slow: list[connections.Connection]) -> None:
        ended = foreign_sockets.end_reading(self._workers(), (one.inode for one in slow))
        if not ended:
            return
        self._cut += ended
        self._write_metrics()
        peers = sorted({one.peer for one in slow})
        more = f" and {len(peers) - _NAMED_ADDRESSES} more" * (len(peers) > _NAMED_ADDRESSES)
        log(
            f"cut {ended} requests that came with less than {self._rate} bytes per second, from "
            f"{', '.join(peers[:_NAMED_ADDRESSES])}{more}"
        )

    def _write_metrics(self) -> None:
        new = f"{self._metrics_file}.new"
        with open(new, "w", encoding="ascii") as file:
            file.writelines(
                f"# HELP {name} {text}\n# TYPE {name} {kind}\n{name} {value}\n"
                for (name, kind, text), value in ((_CUT, self._cut), (_LIMIT, self._limit))
            )
        os.replace(new, self._metrics_file)
