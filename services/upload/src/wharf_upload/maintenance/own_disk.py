"""The sweeping of a replica's own disk, if the replicas share no disk.

Only the replica itself can reach its disk. The worker with the turn sweeps everything else
(`worker_loop`). Each replica removes bodies that its gateway left, partial
uploads of ended uploads, and small pictures of deleted files.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from itertools import islice

from servicekit.database import DatabaseUnavailable
from wharf_upload.database.contract import Records
from wharf_upload.maintenance import sweep_metrics
from wharf_upload.maintenance.pictures import KeptPictures
from wharf_upload.maintenance.sweeper import Sweeper
from wharf_upload.maintenance.upload_sweeper import SweptUploads
from wharf_upload.storage.base import StoreError

log = logging.getLogger(__name__)
# The sweep of pictures opens each picture, so it is rare.
_PICTURE_WALK_SECONDS = 3600.0
_BATCH = 200


class OwnDisk:
    """Sweeps the disk of one replica, with pauses of `sweep_seconds`."""

    def __init__(
        self,
        sweeper: Sweeper,
        sweep_uploads: Callable[[], SweptUploads],
        pictures: KeptPictures,
        records: Records,
        *,
        sweep_seconds: float,
    ) -> None:
        """Create the sweeps; `sweep_uploads` ends only the uploads of this replica."""
        self._sweeper, self._sweep_uploads = sweeper, sweep_uploads
        self._pictures, self._records = pictures, records
        self._pause_seconds = sweep_seconds
        self._next_walk = time.monotonic()

    def run(self, stop: threading.Event) -> None:
        """Sweep until `stop` is set."""
        while not stop.wait(min(1.0, self._pause_seconds)):
            try:
                self.sweep()
            except (DatabaseUnavailable, StoreError, OSError) as error:
                sweep_metrics.note_failed_run()
                log.warning("sweeping this replica failed, will retry: %s", error)
            stop.wait(self._pause_seconds)

    def sweep(self) -> None:
        """Sweep once."""
        counts = sweep_metrics.counts(self._sweeper.run_own(), self._sweep_uploads())
        if time.monotonic() >= self._next_walk:
            # Set this time before the sweep, so that a sweep that fails is not repeated at every
            # run.
            self._next_walk = time.monotonic() + _PICTURE_WALK_SECONDS
            self.forget_pictures()
        if any(counts.values()):
            log.info("swept this replica", extra={"fields": {"swept": counts}})
        sweep_metrics.note_run(counts)

    def forget_pictures(self) -> None:
        """Remove small pictures of blobs that no row names any more."""
        pictures = self._pictures.kept()
        while batch := list(islice(pictures, _BATCH)):
            known = self._records.known_blobs([(kept.tenant, kept.blob) for kept in batch])
            for kept in batch:
                if (kept.tenant, kept.blob) not in known:
                    kept.remove()
