"""The worker: what must happen some time, and on no request's way. No HTTP."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from servicekit.database import DatabaseUnavailable
from servicekit.revocations import Revocations
from wharf_upload import noted, upload_sweeping, worker_report
from wharf_upload.holding import Holds
from wharf_upload.opening import open_records, open_store
from wharf_upload.records.base import Records
from wharf_upload.records.overview import Overview
from wharf_upload.records.uploads import SqlUploads
from wharf_upload.settings import Settings
from wharf_upload.stores.base import BlobStore, StoreError
from wharf_upload.stores.parts import Parts
from wharf_upload.sweeping import Ages, Sweeper
from wharf_upload.upload_sweeping import SweptUploads
from wharf_upload.worker_report import Report

log = logging.getLogger(__name__)
# The walk over the whole store costs reading all its folders: rarer than the rest.
_STORE_WALK_SECONDS = 3600.0
# All tenants are asked about: no more often than somebody looks.
_LOOK_SECONDS = 15.0


class Opened(Protocol):
    """What the sweepers work on: the service's own where they are a part of it."""

    @property
    def store(self) -> BlobStore: ...

    @property
    def records(self) -> Records: ...

    @property
    def uploads(self) -> SqlUploads: ...

    @property
    def parts(self) -> Parts: ...

    @property
    def overview(self) -> Overview: ...


@dataclass(frozen=True)
class _Own:
    store: BlobStore
    records: Records
    uploads: SqlUploads
    parts: Parts
    overview: Overview


def opened(settings: Settings) -> Opened:
    """Opens what these settings name, for a process that has nothing open."""
    store = open_store(settings)
    records = open_records(settings, store)
    return _Own(
        store,
        records,
        records.uploads,
        Parts(store, settings.resumable_folder),
        records.overview,
    )


def sweeper(settings: Settings, on: Opened, *, dry_run: bool = False) -> Sweeper:
    """A sweeper for these settings."""
    return Sweeper(
        on.store,
        on.records,
        settings.spool_folder.parent,
        Ages(
            lease=settings.lease_seconds,
            deleted_grace=settings.deleted_grace_seconds,
            idempotency=settings.idempotency_seconds,
            events=settings.event_seconds,
        ),
        dry_run=dry_run,
        purged=Revocations(settings.revocation_file).purged,
        held=Holds(settings.data).held,
    )


def sweep_uploads(settings: Settings, on: Opened, *, dry_run: bool = False) -> SweptUploads:
    """One run over the resumable uploads."""
    return upload_sweeping.sweep(
        on.uploads, on.parts, expiry_seconds=settings.upload_expiry_seconds, dry_run=dry_run
    )


def run_until_signal(settings: Settings) -> None:
    """Sweeps until TERM or INT."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    run(settings, opened(settings), stop)


def run(
    settings: Settings,
    on: Opened,
    stop: threading.Event,
    publish: Callable[[Report], None] = lambda _: None,
) -> None:
    """Sweeps again and again until `stop` is set; ends after the step that is under way.

    `publish` hears after each run what there is to say.
    """
    own = sweeper(settings, on)
    next_walk = next_look = time.monotonic()
    report = Report(pause_seconds=settings.sweep_seconds)
    publish(report)
    while not stop.wait(min(1.0, settings.sweep_seconds)):
        walk = time.monotonic() >= next_walk
        begun = time.monotonic()
        try:
            swept = own.run(blobs=walk).counts()
            swept |= sweep_uploads(settings, on).counts()
            if any(swept.values()):
                log.info("swept", extra={"fields": {"swept": swept}})
            if walk:
                next_walk = time.monotonic() + _STORE_WALK_SECONDS
            _note(swept)
            report.last_success, report.last_duration = time.time(), time.monotonic() - begun
            if time.monotonic() >= next_look:
                next_look = time.monotonic() + _LOOK_SECONDS
                worker_report.look(report, on.overview, settings.metrics_tenants)
        except (DatabaseUnavailable, StoreError) as error:
            noted.sweeps.note((("failed",), 1))
            log.warning("sweeping will be tried again: %s", error)
        publish(report)
        stop.wait(settings.sweep_seconds)


def _note(swept: dict[str, int]) -> None:
    noted.sweeps.note((("done",), 1))
    noted.sweep_failures.note(((), swept["failures"]))
    for kind, count in swept.items():
        if count and kind not in noted.NOT_REMOVED:
            noted.swept.note(((kind,), count))
