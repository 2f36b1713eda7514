"""Reads nginx's lines and `stub_status`, and writes the metrics that the gateway serves."""

from __future__ import annotations

import errno
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest

from servicekit import atomic_file, file_lock
from servicekit.fetching import FetchError, fetch
from wharf_upload.observability.nginx_logs import exposition
from wharf_upload.observability.nginx_logs.lines import Lines
from wharf_upload.observability.nginx_logs.requests import Counted

log = logging.getLogger(__name__)
LINES, STATE, TEXT = "requests.tsv", "requests.state", "nginx.prom"
LOCK = "requests.lock"
_LOOK_SECONDS, _STATUS_SECONDS, _RANK_SECONDS = 1.0, 5.0, 60.0
_MAX_STATUS_BYTES = 4096
# Before a reservation that the door of other gateways has had (`log_format wharf_reservations`).
_RESERVATION = b"reservation\t"
# Of a gateway that starts; unix seconds follow (wharf_gateway/container.py, program.sh).
_BEGAN = b"gateway began\t"
# A reservation that is not told of lapses.
_MOST_ENDED = 100_000
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Collector:
    """Works on the folder that gateway and service share; `run` belongs into a thread.

    What is counted is kept in a file beside the text: a service that is started again goes on where
    it was, and nginx's lines wait for it meanwhile.
    """

    def __init__(
        self,
        folder: Path,
        status_url: str,
        most_tenants: int,
        *,
        object_store: bool = False,
        end_reservations: Callable[[Sequence[str]], object] | None = None,
        gateway_began: Callable[[float], object] | None = None,
    ) -> None:
        """`end_reservations` is told each second of what has ended with its request.

        `gateway_began` is told since when, in unix seconds, a new gateway runs: what the one before
        was receiving has ended.
        """
        self._end_reservations, self._gateway_began = end_reservations, gateway_began
        self._ended: list[str] = []
        self._began: float | None = None
        self._folder, self._status_url = folder, status_url
        self._object_store = object_store
        self._most_tenants = most_tenants
        self._begin()
        self._status: bytes | None = None
        self._next_status = 0.0
        self._next_rank = time.monotonic() + _RANK_SECONDS

    def _begin(self) -> None:
        """Takes over what is counted already."""
        self._counted = _state(self._folder / STATE)
        self._counted.tenants.most = self._most_tenants
        self._lines = Lines(self._folder / LINES, self._counted.inode, self._counted.offset)
        # Up to where the state on disk has counted, once this process has written it.
        self._saved: tuple[int, int] | None = None

    def run(self, stop: threading.Event) -> None:
        """Collects each second until `stop` is set.

        While a service is restarted there may be two: the new one waits for the old one's end.
        """
        with open(self._folder / LOCK, "ab") as lock:
            while not file_lock.take(lock.fileno()):
                if stop.wait(_LOOK_SECONDS):
                    return
            self._begin()
            try:
                while not stop.wait(_LOOK_SECONDS):
                    self.step()
            finally:
                # Who failed is started again, with other lines: these would stay open for ever.
                self._lines.close()

    def step(self) -> None:
        """Counts what is new and writes the text; raises `OSError`."""
        while lines := self._lines.read():
            for line in lines:
                self._count(line)
        self._tell_ended()
        now = time.monotonic()
        if now >= self._next_rank:
            self._next_rank = now + _RANK_SECONDS
            self._counted.tenants.rank()
            self._saved = None
        if now >= self._next_status:
            self._next_status = now + _STATUS_SECONDS
            self._status = self._ask()
        try:
            self._save()
        except OSError as error:
            if error.errno not in _FULL:
                raise
            self._make_room()
        # Only now: a crash before leaves lines that are read again, and a state that skips them.
        self._lines.forget()

    def _count(self, text: bytes) -> None:
        """Counts a line, and keeps the reservation that has ended with its request."""
        if text.startswith(_BEGAN):
            with suppress(ValueError):
                self._began = float(text[len(_BEGAN) :])
            return
        if text.startswith(_RESERVATION):
            ended = text[len(_RESERVATION) :].decode("ascii", "replace")
        else:
            line = self._counted.add(text)
            ended = "" if line is None else line.reservation
        if ended and len(self._ended) < _MOST_ENDED:
            self._ended.append(ended)

    def _tell_ended(self) -> None:
        """Tells what has ended; what cannot be told now is told with the next lines."""
        try:
            if self._began is not None and self._gateway_began is not None:
                self._gateway_began(self._began)
            self._began = None
            if self._ended and self._end_reservations is not None:
                self._end_reservations(self._ended)
            self._ended.clear()
        except Exception:
            # Metrics go on while the database is away.
            log.warning("reservations cannot be ended now", exc_info=True)

    def _save(self) -> None:
        """Writes the text and what is counted; raises `OSError`."""
        registry = CollectorRegistry()
        registry.register(self)
        atomic_file.write(self._folder / TEXT, generate_latest(registry))
        if self._saved == (place := (self._lines.inode, self._lines.offset)):
            return
        self._counted.inode, self._counted.offset = place
        atomic_file.write(self._folder / STATE, msgspec.json.encode(self._counted))
        self._saved = place

    def _make_room(self) -> None:
        """Gives up the lines for a volume that they have filled; without that it stays full.

        What was counted of them is in memory alone until the next step that can write. What nginx
        could not write meanwhile is lost, who knows how much: one line is counted for all of it.
        """
        self._counted.lines["lost"] = self._counted.lines.get("lost", 0) + 1
        self._saved = None
        self._lines.forget()
        try:
            self._save()
        except OSError as error:
            log.warning("the counts of requests cannot be written: %s", error)
        else:
            log.warning("%s was full: lines about requests are lost", self._folder)

    def collect(self) -> Iterator[Metric]:
        """All families, for prometheus_client."""
        yield from exposition.of_requests(self._counted)
        if self._object_store:
            yield from exposition.of_store(self._counted)
        yield from exposition.of_tenants(self._counted.tenants)
        yield from exposition.of_nginx(self._status)
        yield GaugeMetricFamily(
            "wharf_collector_last_run_timestamp_seconds",
            "When these numbers were written, in unix seconds.",
            value=time.time(),
        )

    def _ask(self) -> bytes | None:
        try:
            return fetch(self._status_url, _MAX_STATUS_BYTES)
        except FetchError as error:
            log.debug("nginx does not say how it is: %s", error)
            return None


def _state(path: Path) -> Counted:
    try:
        counted = msgspec.json.decode(path.read_bytes(), type=Counted)
    except FileNotFoundError:
        return Counted()
    except msgspec.MsgspecError:
        log.warning("the counts of requests begin anew: %s cannot be read", path)
        return Counted()
    counted.complete()
    return counted
