"""uWSGI's mule: receives the bodies of resumable uploads and runs the background threads.

One process does all of this work, because each Python process needs 6 to 8 MB of private memory
(ADR 20). The threads mostly wait, read and hash, and release Python's global lock while they do.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

from servicekit import jwks
from servicekit.feed_follower import FeedFollower
from servicekit.metrics.flushing import flush_each_second
from wharf_upload import bootstrap, job_bootstrap, webhook_bootstrap
from wharf_upload.hashing.daemon import DigestDaemon
from wharf_upload.maintenance.bodies_under_way import BodiesUnderWay
from wharf_upload.maintenance.replicas import Replicas
from wharf_upload.observability import delivery_metrics, lane_metrics, metrics
from wharf_upload.observability.nginx_logs.collector import Collector
from wharf_upload.processes import startup
from wharf_upload.settings import Settings
from wharf_upload.streaming.server import ResumableServer

log = logging.getLogger(__name__)
_AGAIN_SECONDS = 1.0
Task = Callable[[], None]


def run_mule() -> None:
    """Serve resumable uploads, with background threads, until TERM or HUP; then end the process."""
    own, application = startup.own_settings, startup.application
    server = ResumableServer(
        application.resumable_routes,
        application.gateway_routes,
        application.answering,
        application.context.resumable_uploads.holds,
        own.receiver_socket,
        startup.tracing,
        long_work_threads=own.effective_long_work_threads,
    )

    def leave(*_: object) -> None:
        server.drain(own.stream_grace_seconds)

    # uWSGI sends HUP to its mules both when it ends and when it restarts. Install the handlers
    # early: uWSGI waits for the mule to end, and an earlier signal would be lost.
    for number in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, leave)
    # The gateway also creates this folder, but it may start later.
    own.spool_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    daemon = DigestDaemon(
        (own.spool_folder, own.resumable_folder),
        own.follower_socket,
        durable=own.durable,
        is_ours=lambda folder, name: folder == own.spool_folder or server.holds(name),
    )
    metrics.watch_mule(daemon, server.loop)
    stop = threading.Event()
    for task in (*_tasks(own, stop), daemon.run):
        threading.Thread(target=_again, args=(task,), daemon=True).start()
    jobs = threading.Thread(target=_jobs, args=(own, stop), name="jobs", daemon=True)
    jobs.start()
    server.run()
    stop.set()
    jobs.join(2 * job_bootstrap.GRACE_SECONDS)
    # The next process completes the work of the other threads.
    os._exit(0)


def _tasks(own: Settings, stop: threading.Event) -> Iterator[Task]:
    """Yield the background tasks; the caller runs each in a separate thread."""
    body_room = startup.application.context.receiving.body_room
    reservations = startup.application.context.reservations
    collector = Collector(
        own.socket_folder,
        own.effective_nginx_status_url,
        own.metrics_tenants,
        object_store=own.uses_object_store,
        # `end` raises an error while the database is unavailable; the collector then retries.
        end_reservations=reservations.end,
        gateway_began=lambda since: reservations.clear(streamed=False, before=since),
    )
    fetcher = jwks.Fetcher(own.jwks_url, own.key_file)
    feed = FeedFollower(own.feed_url, own.revocation_file)
    yield lambda: flush_each_second(stop)
    yield lambda: collector.run(stop)
    yield lambda: fetcher.run(stop)
    yield lambda: feed.run(stop)
    bodies = BodiesUnderWay(
        reservations, own.spool_folder, body_room.streamed, body_room.give_back_late
    )
    # Call this before the process receives a body.
    bodies.begin()
    yield lambda: bodies.run(stop)
    yield lambda: Replicas(own.data).announce_until(stop, own.instance)
    if not own.data_shared:
        # Each replica sweeps its own disk, whichever worker runs: no other process can reach it.
        yield lambda: bootstrap.own_disk(own, startup.application.context.backends).run(stop)
    if own.upload_worker:
        yield lambda: _work(own, stop)
        yield lambda: _fan_out(own, stop)


def _work(own: Settings, stop: threading.Event) -> None:
    """Run the worker in this process.

    If the process ends during a run, a later run completes the work.
    """
    bootstrap.prepare_object_store(own)
    bootstrap.worker_loop(own, startup.application.context.backends, metrics.publish).run(stop)


def _jobs(own: Settings, stop: threading.Event) -> None:
    """Dispatch jobs, and run them if this is the engine's process, until `stop` is set."""
    if own.upload_worker:
        backends = startup.application.context.backends
        lanes = job_bootstrap.lanes(own, backends)
        delivery_metrics.begin_at_zero()
        lane_metrics.begin_at_zero(lanes)
        job_bootstrap.run_jobs(own, backends, lanes, stop, metrics.publish_lanes)


def _fan_out(own: Settings, stop: threading.Event) -> None:
    """Make deliveries of events until `stop` is set."""
    webhook_bootstrap.run_fan_out(own, startup.application.context.backends, stop)


def _again(task: Task) -> None:
    """Run the task forever: start it again a second after it returned or failed."""
    while True:
        try:
            task()
        except Exception:
            log.exception("a background task of the mule failed and starts again")
        time.sleep(_AGAIN_SECONDS)
