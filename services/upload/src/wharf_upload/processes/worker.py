"""The worker as a separate process: background work that must not delay requests.

It sweeps, and it dispatches jobs. With the engine `threads` it also runs the jobs.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

from servicekit.feed_follower import FeedFollower
from wharf_upload import bootstrap, job_bootstrap, webhook_bootstrap
from wharf_upload.maintenance.replicas import Replicas
from wharf_upload.maintenance.worker_report import Report
from wharf_upload.settings import Settings


def run_until_signal(settings: Settings) -> None:
    """Run the background work until TERM or INT."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    name = f"worker-{settings.instance}"
    # The worker follows the feed itself: the service's file may be on another machine, and two
    # processes must not write the same file.
    heard = settings.data / "upload" / name / "revocations.jsonl"
    feed, replicas = FeedFollower(settings.feed_url, heard), Replicas(settings.data)
    threading.Thread(target=feed.run, args=(stop,), daemon=True).start()
    threading.Thread(target=replicas.announce_until, args=(stop, name), daemon=True).start()
    backends = bootstrap.open_backends(settings)
    # In a thread, so an object store that does not respond does not stop the worker.
    threading.Thread(target=bootstrap.prepare_object_store, args=(settings,), daemon=True).start()
    lanes = job_bootstrap.lanes(settings, backends, heard=heard)
    jobs = threading.Thread(
        target=job_bootstrap.run_jobs, args=(settings, backends, lanes, stop), name="jobs"
    )
    loop = bootstrap.worker_loop(settings, backends, _publisher(settings), heard=heard)
    fan_out = threading.Thread(
        target=webhook_bootstrap.run_fan_out, args=(settings, backends, stop), name="fan-out"
    )
    jobs.start()
    fan_out.start()
    loop.run(stop)
    jobs.join()
    fan_out.join()


def _publisher(settings: Settings) -> Callable[[Report], None]:
    """Return the function that publishes reports, on the metrics port if the worker has one."""
    if not settings.worker_metrics_port:
        return lambda _: None
    # A single process keeps its metrics in memory. prometheus_client reads the variable at its
    # first import, so remove it before.
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
    from wharf_upload.observability import store_metrics
    from wharf_upload.observability.worker_port import WorkerPort

    if settings.uses_object_store:
        store_metrics.begin_at_zero()
    return WorkerPort(settings.worker_metrics_port).publish
