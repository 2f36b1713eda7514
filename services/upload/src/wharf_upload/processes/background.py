"""The common parts of the processes that serve no requests: their signals, feed and metrics."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from servicekit.feed_follower import FeedFollower
from wharf_upload.maintenance.replicas import Replicas
from wharf_upload.settings import Settings

if TYPE_CHECKING:
    from wharf_upload.observability.worker_port import WorkerPort


def stop_at_signal() -> threading.Event:
    """Return an event that TERM or INT sets."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def follow_feed(settings: Settings, name: str, stop: threading.Event) -> Path:
    """Follow the feed of revocations until `stop` is set; return the file of the revocations.

    The process follows the feed itself: the service's file may be on another machine, and two
    processes must not write the same file.
    """
    heard = settings.data / "upload" / name / "revocations.jsonl"
    feed, replicas = FeedFollower(settings.feed_url, heard), Replicas(settings.data)
    threading.Thread(target=feed.run, args=(stop,), daemon=True).start()
    threading.Thread(target=replicas.announce_until, args=(stop, name), daemon=True).start()
    return heard


def metrics_port(settings: Settings, service: str) -> WorkerPort | None:
    """Return the metrics port, or `None` if the settings name none."""
    if not settings.worker_metrics_port:
        return None
    # A single process keeps its metrics in memory. prometheus_client reads the variable at its
    # first import, so remove it before.
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
    from wharf_upload.observability import delivery_metrics, lane_metrics, store_metrics
    from wharf_upload.observability.worker_port import WorkerPort

    if settings.uses_object_store:
        store_metrics.begin_at_zero()
    delivery_metrics.begin_at_zero()
    lane_metrics.begin_at_zero(settings.lane_rules)
    return WorkerPort(settings.worker_metrics_port, service)
