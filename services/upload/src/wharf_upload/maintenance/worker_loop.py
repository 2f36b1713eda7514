"""The background work: a sweep at regular intervals, and a report after each one.

The work runs in a thread of the mule, or in a separate worker process.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from servicekit.database import DatabaseUnavailable
from wharf_upload.database.contract import Overview, SharedLeases
from wharf_upload.maintenance import sweep_metrics, worker_report
from wharf_upload.maintenance.sweeper import Sweeper
from wharf_upload.maintenance.upload_sweeper import SweptUploads
from wharf_upload.maintenance.worker_report import Report
from wharf_upload.maintenance.worker_turn import WorkerTurn
from wharf_upload.storage.base import StoreError

log = logging.getLogger(__name__)
# The walk over the whole store reads all its folders, so it is rarer than the rest.
_STORE_WALK_SECONDS = 3600.0
# A survey reads the usage of all tenants, so it runs only as often as the metrics need it.
_SURVEY_SECONDS = 15.0
_LEASE = "worker"


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
        self._turn = WorkerTurn(leases, _LEASE, is_needed=leases_are_shared)
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
