"""The background work: a sweep at regular intervals, and a report after each one.

The work runs in a thread of the mule, or in a separate worker process.
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
# The walk over the whole store reads all its folders, so it is rarer than the rest.
_STORE_WALK_SECONDS = 3600.0
# A survey reads the usage of all tenants, so it runs only as often as the metrics need it.
_SURVEY_SECONDS = 15.0
_LEASE = "worker"


class Turn:
    """The turn among several workers on the same data: only one of them works at a time."""

    def __init__(self, leases: SharedLeases, *, is_needed: bool) -> None:
        self._leases, self._is_needed = leases, is_needed
        self._lease: SharedLease | None = None

    def is_ours(self) -> bool:
        """Tell whether this worker has the turn; raises `DatabaseUnavailable`."""
        if not self._is_needed:
            return True
        if self._lease is None or not self._lease.is_held():
            self._lease = self._leases.take(_LEASE, lambda: None, ask=False)
        return self._lease is not None

    def end(self) -> None:
        """Release the turn for another worker."""
        if self._lease is not None:
            self._lease.release()


class WorkerLoop:
    """Sweeps with pauses of `sweep_seconds`; `publish` gets the report after each run.

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
        """Sweep until `stop` is set; finish a sweep that has begun."""
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
            # Set this time before the walk, so that a walk that fails is not repeated at every run.
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
