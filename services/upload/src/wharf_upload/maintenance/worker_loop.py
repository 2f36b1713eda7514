"""The work in the background: sweeping again and again, and a report after each run.

It is the same in the thread of the mule and in a worker that is a process of its own.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from servicekit.database import DatabaseUnavailable
from wharf_upload.database.contract import Overview, SharedLease, SharedLeases
from wharf_upload.maintenance import sweep_metrics, worker_report
from wharf_upload.maintenance.sweeper import Sweeper
from wharf_upload.maintenance.upload_sweeper import SweptUploads
from wharf_upload.maintenance.worker_report import Report
from wharf_upload.storage.base import StoreError

log = logging.getLogger(__name__)
# The walk over the whole store costs reading all its folders: rarer than the rest.
_STORE_WALK_SECONDS = 3600.0
# A survey asks about all tenants: no more often than somebody looks.
_SURVEY_SECONDS = 15.0
_LEASE = "worker"


class Turn:
    """Of several workers on the same data one works; when it is gone, another one does."""

    def __init__(self, leases: SharedLeases, *, is_needed: bool) -> None:
        self._leases, self._is_needed = leases, is_needed
        self._lease: SharedLease | None = None

    def is_ours(self) -> bool:
        """Tell whether to work now; raises `DatabaseUnavailable`."""
        if not self._is_needed:
            return True
        if self._lease is None or not self._lease.is_held():
            self._lease = self._leases.take(_LEASE, lambda: None, ask=False)
        return self._lease is not None

    def end(self) -> None:
        """Let another worker work."""
        if self._lease is not None:
            self._lease.release()


class WorkerLoop:
    """Sweeps with pauses of `sweep_seconds`; `publish` takes the report of each run.

    The report has labels for at most `metrics_tenants` tenants.
    """

    def __init__(
        self,
        sweeper: Sweeper,
        sweep_uploads: Callable[[], SweptUploads],
        leases: SharedLeases,
        overview: Overview,
        *,
        leases_are_shared: bool,
        sweep_seconds: float,
        metrics_tenants: int,
        publish: Callable[[Report], None],
    ) -> None:
        self._sweeper, self._sweep_uploads = sweeper, sweep_uploads
        self._leases, self._overview = leases, overview
        self._turn = Turn(leases, is_needed=leases_are_shared)
        self._pause_seconds, self._metrics_tenants = sweep_seconds, metrics_tenants
        self._publish = publish
        self._report = Report(pause_seconds=sweep_seconds)
        self._next_walk = self._next_survey = time.monotonic()

    def run(self, stop: threading.Event) -> None:
        """Sweep until `stop` is set; end after the step that is under way."""
        self._publish(self._report)
        while not stop.wait(min(1.0, self._pause_seconds)):
            try:
                if self._turn.is_ours():
                    self._sweep()
                else:
                    # Another worker sweeps, and reports on the tenants.
                    self._report = Report(
                        pause_seconds=self._pause_seconds, last_success=time.time()
                    )
            except (DatabaseUnavailable, StoreError, OSError) as error:
                sweep_metrics.note_failed_run()
                log.warning("sweeping will be tried again: %s", error)
            self._publish(self._report)
            stop.wait(self._pause_seconds)
        self._turn.end()

    def _sweep(self) -> None:
        begun = time.monotonic()
        walks = begun >= self._next_walk
        if walks:
            # Before the walk: one that fails half-way would else begin again at every run.
            self._next_walk = begun + _STORE_WALK_SECONDS
        counts = sweep_metrics.counts(self._sweeper.run(blobs=walks), self._sweep_uploads())
        if walks:
            self._leases.forget_old()
        if any(counts.values()):
            log.info("swept", extra={"fields": {"swept": counts}})
        sweep_metrics.note_run(counts)
        now = time.monotonic()
        self._report.last_success, self._report.last_duration = time.time(), now - begun
        if now >= self._next_survey:
            self._next_survey = now + _SURVEY_SECONDS
            worker_report.survey(self._report, self._overview, self._metrics_tenants)
