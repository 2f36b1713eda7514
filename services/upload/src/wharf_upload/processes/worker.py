"""The worker that is a process of its own: what must happen some time, and in no request."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

from servicekit.feed_follower import FeedFollower
from wharf_upload import bootstrap
from wharf_upload.maintenance.replicas import Replicas
from wharf_upload.maintenance.worker_report import Report
from wharf_upload.settings import Settings


def run_until_signal(settings: Settings) -> None:
    """Sweep until TERM or INT."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    name = f"worker-{settings.instance}"
    # The service's own file may be on another machine, and two processes must not write one file.
    heard = settings.data / "upload" / name / "revocations.jsonl"
    feed, replicas = FeedFollower(settings.feed_url, heard), Replicas(settings.data)
    threading.Thread(target=feed.run, args=(stop,), daemon=True).start()
    threading.Thread(target=replicas.announce_until, args=(stop, name), daemon=True).start()
    backends = bootstrap.open_backends(settings)
    # A store that is silent does not keep the worker from its work.
    threading.Thread(target=bootstrap.prepare_object_store, args=(settings,), daemon=True).start()
    bootstrap.worker_loop(settings, backends, _publisher(settings), heard=heard).run(stop)


def _publisher(settings: Settings) -> Callable[[Report], None]:
    """Return what takes the reports: the port for metrics, if the worker has one."""
    if not settings.worker_metrics_port:
        return lambda _: None
    # One process alone: its numbers are in its memory. The client asks at its first import.
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
    from wharf_upload.observability import store_metrics
    from wharf_upload.observability.worker_port import WorkerPort

    if settings.uses_object_store:
        store_metrics.begin_at_zero()
    return WorkerPort(settings.worker_metrics_port).publish
