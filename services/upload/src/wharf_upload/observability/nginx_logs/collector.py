"""The collector's thread: reads log lines and `stub_status`, writes the gateway's metrics."""

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
# The prefix of a line with the reservation of a request that ended at the replica door (`log_format
# wharf_reservations`).
_RESERVATION = b"reservation\t"
# The prefix of the line that a starting gateway writes; unix seconds follow
# (wharf_gateway/container.py, program.sh).
_BEGAN = b"gateway began\t"
# The limit of ended reservations in memory; a reservation that is dropped expires later.
_MOST_ENDED = 100_000
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Collector:
    """Counts the lines in the folder that gateway and service share; a thread calls `run`.

    The collector keeps its counts in a state file next to the metrics text. After a restart the
    collector continues from the state file, and nginx's lines wait in their file until then.
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
        """Create the collector.

        The collector calls `end_reservations` at most once a second, with the reservations of ended
        requests. The collector calls `gateway_began` with the start time of a new gateway, in unix
        seconds: the requests of the previous gateway have ended.
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
        """Load the counts and the position from the state file."""
        self._counted = _state(self._folder / STATE)
        self._counted.tenants.most = self._most_tenants
        self._lines = Lines(self._folder / LINES, self._counted.inode, self._counted.offset)
        # The position in the state file, after this process has written it once.
        self._saved: tuple[int, int] | None = None

    def run(self, stop: threading.Event) -> None:
        """Collect each second until `stop` is set.

        During a restart there may be two collectors: the new one waits for the lock of the old one.
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
                # After a failure `run` starts again and opens the lines again, so close these.
                self._lines.close()

    def step(self) -> None:
        """Count the new lines and write the metrics text; raise `OSError`."""
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
        # Call this only after the state is saved: after a crash before this call, the state skips
        # the lines that are already counted.
        self._lines.forget()

    def _count(self, text: bytes) -> None:
        """Count a request, and remember its ended reservation; or remember a gateway's start."""
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
        """Report a gateway's start and ended reservations; after an error the next step retries."""
        try:
            if self._began is not None and self._gateway_began is not None:
                self._gateway_began(self._began)
            self._began = None
            if self._ended and self._end_reservations is not None:
                self._end_reservations(self._ended)
            self._ended.clear()
        except Exception:
            # Metrics continue while the database is unavailable.
            log.warning("reservations cannot be ended now; a retry follows", exc_info=True)

    def _save(self) -> None:
        """Write the metrics text and the state file; raise `OSError`."""
        registry = CollectorRegistry()
        registry.register(self)
        atomic_file.write(self._folder / TEXT, generate_latest(registry))
        if self._saved == (place := (self._lines.inode, self._lines.offset)):
            return
        self._counted.inode, self._counted.offset = place
        atomic_file.write(self._folder / STATE, msgspec.json.encode(self._counted))
        self._saved = place

    def _make_room(self) -> None:
        """Release the space of the lines after they have filled the volume.

        The counts stay in memory until a later step can write them. While the volume was full,
        nginx could not write lines; their number is unknown, so the collector counts one lost line.
        """
        self._counted.lines["lost"] = self._counted.lines.get("lost", 0) + 1
        self._saved = None
        self._lines.forget()
        try:
            self._save()
        except OSError as error:
            log.warning("the counts of requests cannot be written: %s", error)
        else:
            log.warning("the volume of %s was full: log lines of requests are lost", self._folder)

    def collect(self) -> Iterator[Metric]:
        """Yield all metric families, for prometheus_client."""
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
            log.debug("nginx's stub_status cannot be read: %s", error)
            return None


def _state(path: Path) -> Counted:
    try:
        counted = msgspec.json.decode(path.read_bytes(), type=Counted)
    except FileNotFoundError:
        return Counted()
    except msgspec.MsgspecError:
        log.warning("%s cannot be read: the counts of requests begin at 0 again", path)
        return Counted()
    counted.complete()
    return counted
