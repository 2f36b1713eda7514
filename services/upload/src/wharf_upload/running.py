"""What a process of the service does at its start, before it serves."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable

from servicekit import jwks, logs, settings
from servicekit.feed_follower import FeedFollower
from servicekit.metrics.flushing import flush_each_second
from servicekit.tracing import Tracing, WsgiApp, traced, wanted
from wharf_upload import __version__, metrics, signals, stages
from wharf_upload import worker as background
from wharf_upload.app import NAME, create_app
from wharf_upload.collecting.collector import Collector
from wharf_upload.following import Follower
from wharf_upload.receiver.serving import Receiver
from wharf_upload.replicas import Replicas
from wharf_upload.settings import Settings

log = logging.getLogger(__name__)
_AGAIN_SECONDS = 1.0


def read_settings() -> Settings:
    """The settings, with what they load; a wrong one ends the process with one line."""
    try:
        own = settings.read(Settings)
        signals.load(own.receivers)
    except settings.SettingsError as error:
        sys.exit(f"wharf-upload: {error}")
    return own


def start_tracing(url: str) -> Tracing | None:
    """Traces, where they are wanted; ends the process with one line where they cannot be."""
    try:
        if not wanted(url):
            return None
    except settings.SettingsError as error:
        sys.exit(f"wharf-upload: {error}")
    tracing = stages.tracer = Tracing(NAME, __version__, url)
    application.service.log.describe = tracing.describe
    return tracing


_settings = read_settings()
logs.configure(NAME, _settings.log_level)
application = create_app(_settings)
_tracing = start_tracing(_settings.otlp_url)
served: WsgiApp = application if _tracing is None else traced(application, _tracing)
# Workers are forked from here: what exists by now is shared memory as long as nobody writes to it.
gc.collect()
gc.freeze()


def helper() -> None:
    """uWSGI's mule beside the workers: takes bodies of resumable uploads, and what else goes on.

    One process for all of it, since each Python that runs makes 6 to 8 MB its own (ADR 20). What
    it does is waiting, reading and hashing, in which Python's lock is free for the other threads.
    """
    stop = threading.Event()
    # The gateway makes it as well, and may begin later.
    _settings.spool_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    fetcher = jwks.Fetcher(_settings.jwks_url, _settings.key_file)
    feed = FeedFollower(_settings.feed_url, _settings.revocation_file)
    receiver = Receiver(application, _settings.receiver_socket, _tracing)
    follower = Follower(
        (_settings.spool_folder, _settings.resumable_folder),
        _settings.follower_socket,
        durable=_settings.durable,
        is_ours=lambda folder, name: folder == _settings.spool_folder or receiver.holds(name),
    )
    metrics.watch_mule(follower, receiver.loop)
    collector = Collector(
        _settings.socket_folder, _settings.effective_nginx_status_url, _settings.metrics_tenants
    )
    tasks: list[Callable[[], None]] = [
        lambda: flush_each_second(stop),
        lambda: collector.run(stop),
        lambda: fetcher.run(stop),
        lambda: feed.run(stop),
        lambda: Replicas(_settings.data).announce_until(stop, _settings.instance),
        follower.run,
    ]
    if _settings.upload_worker:
        # A run that the end of the process cuts off is made up for by the next one.
        tasks.append(lambda: background.run(_settings, application.service, stop, metrics.publish))
    for task in tasks:
        threading.Thread(target=_again, args=(task,), daemon=True).start()

    def leave(*_: object) -> None:
        receiver.drain(_settings.stream_grace_seconds)

    # uWSGI tells its mules with HUP, whether it ends or starts anew.
    for number in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, leave)
    receiver.run()
    # What the other threads do is made up for by the next process.
    os._exit(0)


def _again(task: Callable[[], None]) -> None:
    """Does it in this thread for ever: neither the streams nor the rest end for one that fails."""
    while True:
        try:
            task()
        except Exception:
            log.exception("a part of the mule failed and begins anew")
        time.sleep(_AGAIN_SECONDS)
