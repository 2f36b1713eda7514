"""uWSGI's mule: it takes the bodies of resumable uploads, and does what else goes on.

One process for all of it, since each Python that runs makes 6 to 8 MB its own (ADR 20). What it
does is waiting, reading and hashing, in which Python's lock is free for the other threads.
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
from wharf_upload import bootstrap
from wharf_upload.hashing.daemon import DigestDaemon
from wharf_upload.maintenance.bodies_under_way import BodiesUnderWay
from wharf_upload.maintenance.replicas import Replicas
from wharf_upload.observability import metrics
from wharf_upload.observability.nginx_logs.collector import Collector
from wharf_upload.processes import startup
from wharf_upload.settings import Settings
from wharf_upload.streaming.server import ResumableServer

log = logging.getLogger(__name__)
_AGAIN_SECONDS = 1.0
Task = Callable[[], None]


def run_mule() -> None:
    """Serve resumable uploads until TERM or HUP, with everything else in threads of its own."""
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

    # uWSGI tells its mules with HUP, whether it ends or starts anew. It may do so from now on: what
    # it says before that is lost, and it waits for the mule.
    for number in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, leave)
    # The gateway makes it as well, and may begin later.
    own.spool_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    daemon = DigestDaemon(
        (own.spool_folder, own.resumable_folder),
        own.follower_socket,
        durable=own.durable,
        is_ours=lambda folder, name: folder == own.spool_folder or server.holds(name),
    )
    metrics.watch_mule(daemon, server.loop)
    for task in (*_tasks(own, threading.Event()), daemon.run):
        threading.Thread(target=_again, args=(task,), daemon=True).start()
    server.run()
    # What the other threads do is made up for by the next process.
    os._exit(0)


def _tasks(own: Settings, stop: threading.Event) -> Iterator[Task]:
    """Yield what goes on beside the streams, each in a thread."""
    body_room = startup.application.context.receiving.body_room
    reservations = startup.application.context.reservations
    collector = Collector(
        own.socket_folder,
        own.effective_nginx_status_url,
        own.metrics_tenants,
        object_store=own.uses_object_store,
        # It raises while the database is away: then the collector tells it again.
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
    # Before this process takes any.
    bodies.begin()
    yield lambda: bodies.run(stop)
    yield lambda: Replicas(own.data).announce_until(stop, own.instance)
    if not own.data_shared:
        # Whoever has the turn of the worker: nobody else reaches this disk.
        yield lambda: bootstrap.own_disk(own, startup.application.context).run(stop)
    if own.upload_worker:
        yield lambda: _work(own, stop)


def _work(own: Settings, stop: threading.Event) -> None:
    """Do the worker's part; a run that the end of the process cuts off is made up for later."""
    bootstrap.prepare_object_store(own)
    bootstrap.worker_loop(own, startup.application.context, metrics.publish).run(stop)


def _again(task: Task) -> None:
    """Run the task for ever: neither the streams nor the other tasks end for one that fails."""
    while True:
        try:
            task()
        except Exception:
            log.exception("a part of the mule failed and begins anew")
        time.sleep(_AGAIN_SECONDS)
