"""The live channel's process, the only one behind the gateway that uses HTTP (ADR 50)."""

from __future__ import annotations

import asyncio
import logging
import resource
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
import uvloop

from kept_sockets import Kept, inherited
from servicekit.settings import SettingsError
from servicekit.tokens import Verifier
from wharf_upload import bootstrap
from wharf_upload.live import metrics
from wharf_upload.live.app import Live
from wharf_upload.live.credentials import AUDIENCES, TokenJudge
from wharf_upload.live.health import Health
from wharf_upload.live.sources import Sources
from wharf_upload.notices.listener import listen
from wharf_upload.processes import ready_files
from wharf_upload.settings import ALONE, Settings

log = logging.getLogger(__name__)
_KEEP_SECONDS = 1.0
_BACKLOG = 1024
_DESCRIPTORS = 65_536
# uvicorn waits this long for connections that are still open after the drain.
_LAST_SECONDS = 3


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers, which would end all connections at the same time."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_ready.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def accept_no_more(self) -> None:
        for server in self.servers:
            server.close()


def run_until_signal(settings: Settings) -> None:
    """Serve until TERM or INT; then end all connections and return.

    TERM ends the connections spread over some seconds. INT ends them immediately, even after TERM.
    """
    stop = threading.Event()
    _allow_descriptors()
    settings.socket_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    listener = _listener(settings.effective_live_socket, stop)
    internal = _bound(settings.live_internal) if settings.live_internal else None
    _log_what_is_wrong()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, listener, internal, stop))


def _log_what_is_wrong() -> None:
    """Drop log lines of libraries about faulty clients; such lines do not help the operator."""
    of_uvicorn = logging.getLogger("uvicorn.error")
    of_uvicorn.setLevel(logging.WARNING)
    # uvicorn logs this message for each handshake that is refused with a problem.
    of_uvicorn.addFilter(lambda record: "completing handshake" not in record.getMessage())
    for logger in (logging.getLogger("engineio.server"), logging.getLogger("socketio.server")):
        logger.setLevel(logging.WARNING)
        logger.addFilter(lambda record: record.exc_info is not None)


def _allow_descriptors() -> None:
    """Raise the limit of descriptors: each connection needs one, and shells often allow 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


async def _serve(
    settings: Settings,
    listener: socket.socket,
    internal: socket.socket | None,
    stop: threading.Event,
) -> None:
    sources = _sources(settings, stop)
    verifier = Verifier(sources, issuer=settings.issuer, audience=AUDIENCES)
    records = bootstrap.open_live_records(settings)
    live = Live(settings, records, TokenJudge(verifier, sources))
    needed = {"database": records.check, "keys": sources.keys_error}
    if settings.instance != ALONE:
        # A single replica stays ready without the feed, because no other replica could take over.
        needed["revocations"] = sources.unheard
    live.health = Health(
        needed,
        {"revocations": sources.revocations_error},
        lambda: metrics.exposition(live.hub.count),
        live.threads,
    )
    server = _Server(_config(settings, live))
    servers = [server.serve([listener])]
    inner = None
    if internal is not None:
        inner = _Server(_config(settings, live.health))
        servers.append(inner.serve([internal]))
    loop = asyncio.get_running_loop()
    told, hurried = asyncio.Event(), asyncio.Event()

    def hurry() -> None:
        hurried.set()
        told.set()

    loop.add_signal_handler(signal.SIGTERM, told.set)
    loop.add_signal_handler(signal.SIGINT, hurry)
    watching = asyncio.create_task(live.watch())
    serving = [asyncio.create_task(one) for one in servers]
    await server.is_ready.wait()
    _say_ready()
    hearing = asyncio.create_task(listen(settings.notices_place, live.hub.receive, told))
    await told.wait()
    stop.set()
    server.accept_no_more()
    await _drain(live, settings.drain_seconds, hurried)
    for one in (server, inner):
        if one is not None:
            one.should_exit = True
    await asyncio.gather(hearing, *serving)
    watching.cancel()
    live.end()


async def _drain(live: Live, seconds: float, hurried: asyncio.Event) -> None:
    """End all connections over some seconds; after `hurried` end the remaining ones immediately."""
    tasks = [asyncio.create_task(live.hub.drain(seconds)), asyncio.create_task(hurried.wait())]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await live.hub.drain(0)


def _config(settings: Settings, application: Any) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        http="h11",
        ws="websockets-sansio",
        ws_max_size=settings.live_message_bytes,
        # Socket.IO sends its own pings.
        ws_ping_interval=None,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=_LAST_SECONDS,
    )


def _sources(settings: Settings, stop: threading.Event) -> Sources:
    """Return the sources of keys and revocations; start the thread that may fetch them."""
    own = settings.data / "upload" / f"live-{settings.instance}"
    sources = Sources(
        (settings.key_file, settings.revocation_file),
        (own / settings.key_file.name, own / settings.revocation_file.name),
    )
    threading.Thread(
        target=sources.follow_if_alone,
        args=(settings.jwks_url, settings.feed_url, stop),
        daemon=True,
    ).start()
    return sources


# ---- sockets ----


def _listener(address: str, stop: threading.Event) -> socket.socket:
    """Return the listening socket for the gateway: an inherited one, a kept one, or a new one."""
    if not address.startswith("/"):
        return _bound(address)
    left = inherited(address)
    if left is not None:
        left.setblocking(False)
        return left
    kept = Kept(address)

    def keep() -> None:
        while not stop.wait(_KEEP_SECONDS):
            kept.leave_copies()

    threading.Thread(target=keep, daemon=True).start()
    return kept.listener


def _bound(address: str) -> socket.socket:
    """Return a listening socket at `host:port`; without a host it listens on all addresses.

    Raises `SettingsError` if the address has no port.
    """
    host, _, port = address.rpartition(":")
    if not (port.isascii() and port.isdigit()):
        raise SettingsError(f"{address!r} is neither the absolute path of a socket nor host:port")
    if host:
        return socket.create_server((host.strip("[]"), int(port)), backlog=_BACKLOG)
    return socket.create_server(
        ("", int(port)),
        family=socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET,
        dualstack_ipv6=socket.has_dualstack_ipv6(),
        backlog=_BACKLOG,
    )


def _say_ready() -> None:
    ready_files.write()
    log.info("the live channel is ready")
