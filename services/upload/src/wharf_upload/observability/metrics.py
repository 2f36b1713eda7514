"""Prometheus metrics of the upload service; docs/metrics.md describes each of them."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import get_args

import msgspec
from prometheus_client import Counter, Gauge
from prometheus_client.core import GaugeMetricFamily, Metric

from servicekit import atomic_file, metrics
from servicekit.database import DatabaseUnavailable
from servicekit.revocations import Revocations
from wharf_upload import timings
from wharf_upload.access import link_metrics
from wharf_upload.database import group_commit
from wharf_upload.database.room_contract import Reservations
from wharf_upload.domain.jobs import LaneState
from wharf_upload.hashing import daemon
from wharf_upload.hashing.daemon import DigestDaemon
from wharf_upload.http import upload_protocol
from wharf_upload.maintenance import sweep_metrics
from wharf_upload.maintenance.sweeper import Swept
from wharf_upload.maintenance.upload_sweeper import SweptUploads
from wharf_upload.maintenance.worker_report import Report
from wharf_upload.observability import delivery_metrics, lane_metrics, store_metrics
from wharf_upload.settings import Settings
from wharf_upload.streaming import fair_executor
from wharf_upload.streaming.event_loop import StreamServer
from wharf_upload.uploads import body_room, content_digest

_STAGE_BUCKETS = (
    *(0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
_UPLOADS = Counter(
    "wharf_uploads_total", "Uploads that ended, refused ones included.", ("protocol", "outcome")
)
_FILES = Counter("wharf_upload_files_total", "Files that became visible.", ("protocol",))
_STORED_BYTES = Counter("wharf_upload_stored_bytes_total", "Bytes of these files.", ("protocol",))
_STAGES = metrics.BatchHistogram(
    "wharf_upload_stage_duration_seconds",
    "Time of each stage of an upload.",
    ("stage",),
    buckets=_STAGE_BUCKETS,
)
_GROUPS = metrics.BatchHistogram(
    "wharf_commit_group_size",
    "Changes that shared a transaction.",
    buckets=(1, 2, 4, 8, 16, 32, 64),
)
_ANSWERS = Counter(
    "wharf_follower_answers_total",
    "Digests of large bodies: known to the digest daemon, or computed by the request.",
    ("result",),
)
_FOLLOWED_BYTES = Counter(
    "wharf_follower_hashed_bytes_total", "Bytes that were hashed while they arrived."
)
_FOLLOWED = Gauge(
    "wharf_follower_files", "Bodies that the daemon is hashing.", multiprocess_mode="livesum"
)
_STREAMS = Gauge(
    "wharf_receiver_streams",
    "Bodies of resumable uploads that are being received.",
    multiprocess_mode="livesum",
)
_STREAMED_BYTES = Counter(
    "wharf_receiver_received_bytes_total", "Bytes of resumable uploads that were received."
)
_LONG_WORK_WAITS = metrics.BatchHistogram(
    "wharf_long_work_wait_seconds",
    "Time that long work waited for its turn.",
    buckets=(0.001, 0.01, 0.1, 0.5, 1, 5, 10, 30, 60, 300),
)
_LONG_WORK = Gauge(
    "wharf_long_work",
    "Requests with long work that waits for its turn or is running.",
    ("state",),
    multiprocess_mode="livesum",
)
_SWEEPS = Counter("wharf_sweeper_runs_total", "Runs of the sweeper.", ("result",))
_REMOVED = Counter("wharf_sweeper_removed_total", "Items that the sweeper removed.", ("kind",))
_FAILURES = Counter("wharf_sweeper_failures_total", "Files that could not be removed.")
_NO_ROOM = Counter(
    "wharf_room_refusals_total", "Bodies refused because no room could be reserved.", ("reason",)
)
_LINKS_MADE = Counter("wharf_links_made_total", "Signed links that were made.", ("kind",))
_LINKS_ENDED = Counter(
    "wharf_links_ended_total", "Signed links that were ended before they expired.", ("reason",)
)
_REPORT_FILE, _LANES_FILE = "worker-report.json", "job-lanes.json"


def _connect() -> None:
    metrics.count_buffer(upload_protocol.uploads, _UPLOADS)
    metrics.sum_buffer(upload_protocol.files, _FILES, _STORED_BYTES)
    metrics.observe_buffer(timings.durations, _STAGES, labels=1)
    metrics.observe_buffer(group_commit.group_sizes, _GROUPS, labels=0)
    metrics.count_buffer(content_digest.results, _ANSWERS)
    metrics.count_buffer(body_room.refusals, _NO_ROOM)
    metrics.count_buffer(daemon.hashed_bytes, _FOLLOWED_BYTES)
    metrics.observe_buffer(fair_executor.waits, _LONG_WORK_WAITS, labels=0)
    metrics.count_buffer(sweep_metrics.sweeps, _SWEEPS)
    metrics.count_buffer(sweep_metrics.swept, _REMOVED)
    metrics.count_buffer(sweep_metrics.sweep_failures, _FAILURES)
    metrics.count_buffer(link_metrics.made_links, _LINKS_MADE)
    metrics.count_buffer(link_metrics.ended_links, _LINKS_ENDED)
    delivery_metrics.connect()
    lane_metrics.connect()
    store_metrics.connect()


def _begin_at_zero() -> None:
    """Create the series of all known labels with the value 0.

    Without them Prometheus would not see the increase from no series to 1.
    """
    for protocol in upload_protocol.PROTOCOLS:
        for outcome in upload_protocol.OUTCOMES:
            _UPLOADS.labels(protocol, outcome)
        _FILES.labels(protocol)
        _STORED_BYTES.labels(protocol)
    for stage in timings.ALL:
        _STAGES.labels(*stage)
    for result in ("known", "computed"):
        _ANSWERS.labels(result)
    for reason in body_room.REASONS:
        _NO_ROOM.labels(reason)
    for result in ("done", "failed"):
        _SWEEPS.labels(result)
    _begin_links_at_zero()
    for kind in {**Swept().counts(), **SweptUploads().counts()}:
        if kind not in sweep_metrics.NOT_REMOVED:
            _REMOVED.labels(kind)


def _begin_links_at_zero() -> None:
    for kind in get_args(link_metrics.Kind):
        _LINKS_MADE.labels(kind)
    for reason in get_args(link_metrics.Reason):
        _LINKS_ENDED.labels(reason)


_connect()
_begin_at_zero()


def watch_mule(daemon: DigestDaemon, loop: StreamServer) -> None:
    """Export the state of the mule's parts; the mule calls this function."""
    known = 0

    def flusher() -> None:
        nonlocal known
        _FOLLOWED.set(daemon.files)
        _STREAMS.set(loop.streams)
        _LONG_WORK.labels("waiting").set(loop.long_work.waiting)
        _LONG_WORK.labels("running").set(loop.long_work.running)
        received = loop.received_bytes
        if received != known:
            _STREAMED_BYTES.inc(received - known)
            known = received

    metrics.on_flush(flusher)


# ---- the worker's report ----


def publish(report: Report) -> None:
    """Write the worker's report to a file, from which any process of the service exports it.

    The worker uses this function only if it is a thread of the mule.
    """
    _write(_REPORT_FILE, report)


def publish_lanes(states: Mapping[str, LaneState]) -> None:
    """Write the states of the lanes of jobs to a file, as `publish` does."""
    _write(_LANES_FILE, states)


def _write(name: str, document: object) -> None:
    path = _shared(name)
    if path is not None:
        atomic_file.write(path, msgspec.json.encode(document))


def _shared(name: str) -> Path | None:
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    return Path(folder) / name if folder else None


def published() -> Iterator[Metric]:
    """Yield the metric families of the last published report and states, none before them."""
    path = _shared(_REPORT_FILE)
    if path is not None:
        with suppress(FileNotFoundError):
            yield from families(msgspec.json.decode(path.read_bytes(), type=Report))
        with suppress(FileNotFoundError):
            states = path.with_name(_LANES_FILE).read_bytes()
            yield from lane_metrics.families(msgspec.json.decode(states, type=dict[str, LaneState]))


def families(report: Report) -> Iterator[Metric]:
    """Yield the metric families of a report."""
    yield _gauge("wharf_sweeper_pause_seconds", "WHARF_SWEEP_SECONDS.", report.pause_seconds)
    if report.last_success is not None:
        yield _gauge(
            "wharf_sweeper_last_success_timestamp_seconds",
            "When the last complete run of the sweeper ended, in unix seconds.",
            report.last_success,
        )
        yield _gauge(
            "wharf_sweeper_last_duration_seconds",
            "Duration of the sweeper's last complete run.",
            report.last_duration,
        )
    yield _gauge("wharf_tenants", "Tenants that store something.", report.tenants)
    yield _gauge(
        "wharf_tenants_near_quota",
        "Tenants at or above WHARF_QUOTA_WARNING_PERCENT of their bytes or files.",
        report.tenants_near_quota,
    )
    yield _gauge(
        "wharf_resumable_uploads", "Resumable uploads under way.", report.unfinished_uploads
    )
    yield _gauge(
        "wharf_resumable_reserved_bytes",
        "Bytes reserved for resumable uploads.",
        report.reserved_bytes,
    )
    yield from _quotas(report)


def _quotas(report: Report) -> Iterator[Metric]:
    other: dict[str, int] = {"used_bytes": report.other_bytes, "used_files": report.other_files}
    for name, help_text in (
        ("used_bytes", "Bytes that count against the tenant's quota."),
        ("used_files", "Files that count against the tenant's quota."),
        ("limit_bytes", "Bytes that the tenant may use."),
        ("limit_files", "Files that the tenant may have."),
    ):
        family = GaugeMetricFamily(f"wharf_tenant_{name}", help_text, labels=("tenant",))
        for usage in report.shown:
            value: int | None = getattr(usage, name)
            if value is not None:
                family.add_metric((usage.tenant,), value)
        if name in other:
            family.add_metric(("(other)",), other[name])
        yield family


def _gauge(name: str, help_text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, help_text, value=value)


# ---- values that are read at each scrape ----


def storage(settings: Settings) -> Iterator[Metric]:
    """Yield the free space of the disks, and the number and size of the files in the spool."""
    volumes = {"data": settings.data, "spool": settings.spool_folder}
    free = _by_volume("wharf_storage_free_bytes", "Free bytes.")
    size = _by_volume("wharf_storage_size_bytes", "Size of the file system.")
    inodes = _by_volume("wharf_storage_free_inodes", "Files that can still be made.")
    for volume, path in volumes.items():
        with suppress(FileNotFoundError):
            status = os.statvfs(path)
            free.add_metric((volume,), status.f_bavail * status.f_frsize)
            size.add_metric((volume,), status.f_blocks * status.f_frsize)
            inodes.add_metric((volume,), status.f_favail)
    yield from (free, size, inodes)
    yield _gauge(
        "wharf_storage_reserve_bytes",
        "WHARF_DISK_RESERVE_BYTES: with less free space, uploads are refused.",
        settings.disk_reserve_bytes,
    )
    sizes = list(_sizes(volumes["spool"]))
    yield _gauge("wharf_spool_files", "Bodies in the gateway's spool.", len(sizes))
    yield _gauge("wharf_spool_bytes", "Bytes of the bodies in the spool.", sum(sizes))


def reserved(reservations: Reservations) -> Iterator[Metric]:
    """Yield the reservations of bodies under way, nothing while the database is unavailable."""
    try:
        found = reservations.reserved()
    except DatabaseUnavailable:
        return
    yield _gauge("wharf_bodies_under_way", "Bodies that have room reserved.", found.bodies)
    yield _gauge("wharf_reserved_bytes", "Disk bytes reserved for bodies.", found.disk_bytes)
    yield _gauge(
        "wharf_reserved_outstanding_bytes",
        "Reserved bytes that are not written yet.",
        found.outstanding_bytes,
    )
    yield _gauge("wharf_reserved_inodes", "Inodes reserved for bodies.", found.inodes)


def _by_volume(name: str, help_text: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, help_text, labels=("volume",))


def _sizes(folder: Path) -> Iterator[int]:
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                if entry.is_file(follow_symlinks=False):
                    yield entry.stat(follow_symlinks=False).st_size


def ages(settings: Settings, revocations: Revocations) -> Iterator[Metric]:
    """Yield the ages of the revocations and of the issuer's keys."""
    yield _gauge(
        "wharf_revocation_feed_age_seconds",
        "Time since the feed of revocations was last read; +Inf: never.",
        revocations.age_seconds(),
    )
    try:
        age = max(0.0, time.time() - settings.key_file.stat().st_mtime)
    except FileNotFoundError:
        age = math.inf
    yield _gauge(
        "wharf_verification_keys_age_seconds",
        "Time since the issuer's keys were last fetched; +Inf: never.",
        age,
    )
