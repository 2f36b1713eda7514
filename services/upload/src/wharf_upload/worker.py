"""The worker: what must happen some time, and on no request's way. No HTTP."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from servicekit.database import DatabaseUnavailable
from servicekit.feed_follower import FeedFollower
from servicekit.revocations import Revocations
from wharf_upload import noted, upload_sweeping, worker_report
from wharf_upload.holding import Holds
from wharf_upload.opening import open_records, open_store
from wharf_upload.records.base import Records
from wharf_upload.records.overview import Overview
from wharf_upload.records.uploads import SqlUploads
from wharf_upload.replicas import Replicas
from wharf_upload.settings import Settings
from wharf_upload.shared_leases import SharedLease, SharedLeases
from wharf_upload.stores.base import BlobStore, StoreError
from wharf_upload.stores.parts import Parts
from wharf_upload.sweeping import Ages, Sweeper, Swept
from wharf_upload.upload_sweeping import SweptUploads
from wharf_upload.worker_report import Report

log = logging.getLogger(__name__)
# The walk over the whole store costs reading all its folders: rarer than the rest.
_STORE_WALK_SECONDS = 3600.0
# All tenants are asked about: no more often than somebody looks.
_LOOK_SECONDS = 15.0
_LEASE = "worker"


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

    @property
    def leases(self) -> SharedLeases: ...


@dataclass(frozen=True)
class _Own:
    store: BlobStore
    records: Records
    uploads: SqlUploads
    parts: Parts
    overview: Overview
    leases: SharedLeases


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
        SharedLeases(records.database, settings.instance),
    )


def sweeper(
    settings: Settings, on: Opened, *, dry_run: bool = False, heard: Path | None = None
) -> Sweeper:
    """A sweeper for these settings; `heard` is where the feed of revocations is followed to."""
    return Sweeper(
        on.store,
        on.records,
        settings.spool_folder.parent,
        Ages(
            lease=settings.lease_seconds,
            deleted_grace=settings.deleted_grace_seconds,
            idempotency=settings.idempotency_seconds,
            events=settings.event_seconds,
            replica=settings.replica_lost_seconds,
        ),
        dry_run=dry_run,
        purged=Revocations(heard or settings.revocation_file).purged,
        held=Holds(settings.data).held,
        replicas=Replicas(settings.data),
    )


def sweep_uploads(settings: Settings, on: Opened, *, dry_run: bool = False) -> SweptUploads:
    """One run over the resumable uploads."""
    return upload_sweeping.sweep(
        on.uploads, on.parts, expiry_seconds=settings.upload_expiry_seconds, dry_run=dry_run
    )


def counts(swept: Swept, uploads: SweptUploads) -> dict[str, int]:
    """The numbers of both, with the failures of both in one."""
    return {
        **swept.counts(),
        **uploads.counts(),
        "failures": swept.failures + uploads.failures,
    }


def run_until_signal(settings: Settings) -> None:
    """Sweeps until TERM or INT."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    name = f"worker-{settings.instance}"
    # The service's own may be on another machine, and two must not write one file.
    heard = settings.data / "upload" / name / "revocations.jsonl"
    feed, replicas = FeedFollower(settings.feed_url, heard), Replicas(settings.data)
    threading.Thread(target=feed.run, args=(stop,), daemon=True).start()
    threading.Thread(target=replicas.announce_until, args=(stop, name), daemon=True).start()
    run(settings, opened(settings), stop, publisher(settings), heard=heard)


class _Turn:
    """Of several workers on the same data one works; when it is gone, another one does."""

    def __init__(self, settings: Settings, on: Opened) -> None:
        self._needed, self._leases = settings.leases_are_shared, on.leases
        self._lease: SharedLease | None = None

    def is_ours(self) -> bool:
        """Whether to work now; raises `DatabaseUnavailable`."""
        if not self._needed:
            return True
        if self._lease is None or not self._lease.is_held():
            self._lease = self._leases.take(_LEASE, lambda: None, ask=False)
        return self._lease is not None

    def end(self) -> None:
        """Lets another one work."""
        if self._lease is not None:
            self._lease.release()


def publisher(settings: Settings) -> Callable[[Report], None]:
    """Who hears the reports of a worker that is a process of its own: its port, if it has one."""
    if not settings.worker_metrics_port:
        return lambda _: None
    # One process alone: its numbers are in its memory. The client asks at its first import.
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
    from wharf_upload.worker_port import WorkerPort

    return WorkerPort(settings.worker_metrics_port).publish


def run(
    settings: Settings,
    on: Opened,
    stop: threading.Event,
    publish: Callable[[Report], None] = lambda _: None,
    heard: Path | None = None,
) -> None:
    """Sweeps again and again until `stop` is set; ends after the step that is under way.

    `publish` hears after each run what there is to say; `heard` is as for `sweeper`.
    """
    own, turn = sweeper(settings, on, heard=heard), _Turn(settings, on)
    next_walk = next_look = time.monotonic()
    report = Report(pause_seconds=settings.sweep_seconds)
    publish(report)
    while not stop.wait(min(1.0, settings.sweep_seconds)):
        walk = time.monotonic() >= next_walk
        begun = time.monotonic()
        try:
            if not turn.is_ours():
                # Another one sweeps, and says what there is to say of tenants.
                report = Report(pause_seconds=settings.sweep_seconds, last_success=time.time())
                publish(report)
                stop.wait(settings.sweep_seconds)
                continue
            if walk:
                # Before it: one that fails half-way would else begin again at every run.
                next_walk = time.monotonic() + _STORE_WALK_SECONDS
            swept = counts(own.run(blobs=walk), sweep_uploads(settings, on))
            if walk:
                on.leases.forget_old()
            if any(swept.values()):
                log.info("swept", extra={"fields": {"swept": swept}})
            _note(swept)
            report.last_success, report.last_duration = time.time(), time.monotonic() - begun
            if time.monotonic() >= next_look:
                next_look = time.monotonic() + _LOOK_SECONDS
                worker_report.look(report, on.overview, settings.metrics_tenants)
        except (DatabaseUnavailable, StoreError, OSError) as error:
            noted.sweeps.note((("failed",), 1))
            log.warning("sweeping will be tried again: %s", error)
        publish(report)
        stop.wait(settings.sweep_seconds)
    turn.end()


def _note(swept: dict[str, int]) -> None:
    noted.sweeps.note((("done",), 1))
    noted.sweep_failures.note(((), swept["failures"]))
    for kind, count in swept.items():
        if count and kind not in noted.NOT_REMOVED:
            noted.swept.note(((kind,), count))
