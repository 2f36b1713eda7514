"""The common parts of the processes that serve no requests: their signals, feed and metrics."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from servicekit.feed_follower import FeedFollower
from wharf_upload.domain.jobs import LaneState
from wharf_upload.maintenance.replicas import Replicas
from wharf_upload.maintenance.worker_report import Report
from wharf_upload.settings import Settings


def stop_at_signal() -> threading.Event:
    """Return an event that TERM or INT sets."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def follow_feed(settings: Settings, name: str, folder: Path, stop: threading.Event) -> Path:
    """Follow the feed of revocations until `stop` is set; return the file of the revocations.

    The process follows the feed itself: the service's file may be on another machine, and two
    processes must not write the same file. So no other process may use `folder`. `name` is the name
    by which the process announces its release.
    """
    heard = folder / "revocations.jsonl"
    feed, replicas = FeedFollower(settings.feed_url, heard), Replicas(settings.data)
    threading.Thread(target=feed.run, args=(stop,), daemon=True).start()
    threading.Thread(target=replicas.announce_until, args=(stop, name), daemon=True).start()
    return heard


@dataclass(frozen=True)
class Publishers:
    """The functions with which a process publishes its reports and the states of its lanes."""

    report: Callable[[Report], None]
    lanes: Callable[[Mapping[str, LaneState]], None]


def open_metrics(settings: Settings, service: str, stop: threading.Event) -> Publishers | None:
    """Publish the metrics of this process; return `None` if they go nowhere.

    They are on the metrics port, if the settings name one. Otherwise they are among the metrics of
    the service whose folder `PROMETHEUS_MULTIPROC_DIR` is, as in the native runner.
    """
    if settings.worker_metrics_port:
        # A single process keeps its metrics in memory. prometheus_client reads the variable at its
        # first import, so remove it before.
        os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
    elif not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        return None
    from servicekit.metrics.flushing import flush_each_second
    from wharf_upload.observability import delivery_metrics, lane_metrics, metrics, store_metrics

    if settings.uses_object_store:
        store_metrics.begin_at_zero()
    delivery_metrics.begin_at_zero()
    lane_metrics.begin_at_zero(settings.lane_rules)
    if not settings.worker_metrics_port:
        threading.Thread(target=flush_each_second, args=(stop,), daemon=True).start()
        return Publishers(metrics.publish, metrics.publish_lanes)
    from wharf_upload.observability.worker_port import WorkerPort

    port = WorkerPort(settings.worker_metrics_port, service)
    return Publishers(port.publish, port.publish_lanes)
