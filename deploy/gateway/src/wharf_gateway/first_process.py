"""The first process of the gateway's container, which is nginx's parent.

The process keeps the services' sockets while their containers are replaced, translates signals into
nginx's signals, and ends when nginx has ended. Where the kernel permits this, it cuts slow request
bodies (ADR 21) and closes surplus connections (ADR 64). nginx logs to the output of this process.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Mapping
from contextlib import suppress

from kept_sockets import FdStore
from wharf_gateway import tls
from wharf_gateway.connection_guard import ConnectionGuard
from wharf_gateway.container import Gateway
from wharf_gateway.front_door import FrontDoor, answers
from wharf_gateway.metrics_file import MetricsFile
from wharf_gateway.store_watch import StoreWatch
from wharf_gateway.terminal import CannotRunError, log
from wharf_gateway.tls_watch import CertificateWatch

_STOP = {signal.SIGTERM, signal.SIGQUIT}
_WAITED_FOR = {*_STOP, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD}
# The longest wait for a signal, even when the guard is off.
_LONGEST_PAUSE_SECONDS = 60.0
# nginx looks up names when it tests its configuration, and waits for a name server that does not
# respond.
_RELOAD_SECONDS = 60.0


class Nginx:
    """The master process of nginx.

    Attributes:
        pid: the process id; 0 when the process has ended.
    """

    def __init__(self, command: list[str], environ: Mapping[str, str]) -> None:
        self.pid = os.posix_spawn(
            command[0],
            [*command, "-g", "daemon off;"],
            dict(environ),
            setsigmask=[],
            setsigdef=[signal.SIGPIPE],
        )

    @property
    def running(self) -> bool:
        return self.pid != 0

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the master process, unless it has ended."""
        if self.pid:
            os.kill(self.pid, number)

    def reap(self) -> int | None:
        """Collect ended child processes; return nginx's exit code if nginx is one of them.

        The first process of a container is also the parent of orphaned processes.
        """
        code = None
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return code
            if pid == 0:
                return code
            if pid == self.pid:
                self.pid, code = 0, os.waitstatus_to_exitcode(status)


class Stop:
    """The stop of the container: first requests in flight may end, then nginx is terminated."""

    def __init__(self, nginx: Nginx, drain_seconds: float, door: FrontDoor | None) -> None:
        self._nginx, self._drain_seconds, self._door = nginx, drain_seconds, door
        self._deadline: float | None = None

    @property
    def asked_for(self) -> bool:
        return self._deadline is not None

    def drain(self) -> None:
        """Accept no new requests and let requests in flight end."""
        if self._deadline is None:
            log(f"stopping: requests in flight may take {self._drain_seconds:g} s")
            self._deadline = time.monotonic() + self._drain_seconds
            if self._door is not None:
                self._door.close()
            self._nginx.send(signal.SIGQUIT)

    def at_once(self) -> None:
        """Terminate nginx immediately, with all requests in flight."""
        self._deadline = float("inf")
        self._nginx.send(signal.SIGTERM)

    def pause(self, longest: float) -> float:
        """Return the seconds until the time for requests in flight ends, at most `longest`."""
        if self._deadline is None:
            return longest
        return max(0.0, min(longest, self._deadline - time.monotonic()))

    def poll(self) -> None:
        """Terminate nginx when the time for requests in flight is over."""
        if self._deadline is not None and time.monotonic() >= self._deadline:
            log("some requests have not ended in time; stopping now")
            self.at_once()


class Reloads:
    """Reloads of nginx that another thread requests, by a signal to this process."""

    def __init__(self) -> None:
        self._told, self._done = threading.Event(), False

    def ask(self) -> bool:
        """Request a reload; return whether nginx got the signal.

        Do not call this in the main thread, which receives the signal.
        """
        self._told.clear()
        os.kill(os.getpid(), signal.SIGHUP)
        return self._told.wait(_RELOAD_SECONDS) and self._done

    def tell(self, *, done: bool) -> None:
        """Pass the result of a reload to the thread that requested it."""
        self._done = done
        self._told.set()


def _front_door(gateway: Gateway) -> FrontDoor | None:
    if not gateway.front_door:
        return None
    door = FrontDoor(gateway.front_door, lambda: answers(gateway.settings.port))
    door.sweep()
    return door


def _keep_sockets(gateway: Gateway) -> None:
    for folder in gateway.socket_folders:
        try:
            FdStore(folder, gateway.settings.instance).start()
        except OSError as error:
            log(f"the sockets in {folder} do not survive a restart of their services: {error}")


def run(gateway: Gateway, environ: Mapping[str, str]) -> int:
    """Run nginx until it ends; return the container's exit code."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _WAITED_FOR)
    _keep_sockets(gateway)
    door = _front_door(gateway)
    for path in gateway.own_sockets:
        # nginx cannot listen on a socket that a killed nginx left behind.
        with suppress(FileNotFoundError):
            os.unlink(path)
    metrics = MetricsFile(gateway.metrics_file)
    files = gateway.tls_files
    reloads = Reloads()
    certificate = CertificateWatch(files, reloads.ask, metrics) if files else None
    nginx = Nginx(gateway.command, environ)
    watch = _watch(gateway, reloads)
    if certificate:
        certificate.start()
    if door is not None:
        door.start()
    guard = ConnectionGuard(
        lambda: [nginx.pid] if nginx.running else [],
        gateway.settings.public_ports,
        environ,
        metrics,
        f"{gateway.run}/{tls.BODIES}",
    )
    guard.check()
    stop = Stop(nginx, gateway.settings.drain_seconds, door)
    while True:
        pause = stop.pause(min(guard.seconds, _LONGEST_PAUSE_SECONDS))
        received = signal.sigtimedwait(_WAITED_FOR, pause)
        if received is not None:
            if received.si_signo == signal.SIGHUP:
                reloads.tell(done=_reload(gateway, nginx, watch))
            else:
                _obey(received.si_signo, nginx, stop)
        code = nginx.reap()
        if code is not None:
            if not stop.asked_for:
                log(f"nginx ended with exit code {code}")
            return 0 if stop.asked_for else 1
        stop.poll()
        guard.poll()


def _watch(gateway: Gateway, reloads: Reloads) -> StoreWatch | None:
    if gateway.blob_store is None:
        return None
    watch = StoreWatch(gateway.blob_store, reloads.ask)
    watch.start()
    return watch


def _reload(gateway: Gateway, nginx: Nginx, watch: StoreWatch | None) -> bool:
    """Make nginx look up names and read the certificate again; return whether nginx does this.

    The settings stay those of the start.
    """
    try:
        gateway.test()
    except CannotRunError as error:
        log(f"not reloaded: {error}")
        return False
    nginx.send(signal.SIGHUP)
    if watch is not None:
        watch.renew()
    return True


def _obey(number: int, nginx: Nginx, stop: Stop) -> None:
    if number in _STOP:
        stop.drain()
    elif number == signal.SIGINT:
        stop.at_once()
    elif number == signal.SIGUSR1:
        nginx.send(signal.SIGUSR1)
