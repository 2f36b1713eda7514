"""The service's side of the sandbox: starts the zygote, asks it, and ends children out of time."""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from wharf_images.sandbox.fork_server import UNCONFINED

log = logging.getLogger(__name__)

# Longer than the CPU time that a child has: it ends here only where it sleeps, or where the machine
# has no time for it.
SECONDS = 15.0
MAX_RESULT_BYTES = 1024 * 1024 + 1
# How long the zygote may take for what it does at once.
_ANSWER_SECONDS = 5.0
_PACKET_BYTES = 64
# Inherited by the zygote; the place of its socket is its first argument.
_ZYGOTE_SOCKET = 3
_KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH")

_ENDS = {
    signal.SIGXCPU: "cpu",
    signal.SIGSYS: "refused-call",
    signal.SIGKILL: "killed",
    signal.SIGXFSZ: "file-size",
}


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended, and what it has written.

    Attributes:
        how: `done`; `cpu`, `time`, `output` (limits); `refused-call` (seccomp); `crash`; `killed`
            (not by us); `unconfined` (the kernel refused a part of the sandbox, nothing was read).
        result: all that it wrote; worth something only when it is `done`.
    """

    how: str
    result: bytes = b""


class ZygoteGone(Exception):
    """The zygote has ended, before it answered or before it could be started."""


class _Zygote:
    """One process, and the socket to it."""

    def __init__(self, command: Sequence[str]) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket = ours
        environment = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
        environment["MALLOC_ARENA_MAX"] = "1"
        with theirs:
            self.pid = os.posix_spawn(
                command[0],
                list(command),
                environment,
                file_actions=[(os.POSIX_SPAWN_DUP2, theirs.fileno(), _ZYGOTE_SOCKET)],
                setsigmask=[],
                setsigdef=[signal.SIGPIPE, signal.SIGTERM, signal.SIGQUIT],
                # A terminal's Ctrl-C is for the service, which drains.
                setpgroup=0,
            )

    def ended(self) -> bool:
        """Return whether it has ended; buries it."""
        try:
            return os.waitpid(self.pid, os.WNOHANG)[0] != 0
        except ChildProcessError:
            return True

    def end(self) -> None:
        """Let it end, or end it."""
        self.socket.close()
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


class Sandbox:
    """Runs the zygote's job on blobs, from any thread; a zygote that ended is replaced.

    Args:
        command: starts the zygote, which has its socket as descriptor 3.
        seconds: how long a child may take by the clock.
    """

    def __init__(self, command: Sequence[str], seconds: float = SECONDS) -> None:
        self._command, self._seconds = command, seconds
        self._lock = threading.Lock()
        self._zygote: _Zygote | None = None
        self.restarts = -1

    def watch(self) -> None:
        """Start the zygote, or start it again where it has ended; call it each second."""
        with self._lock:
            self._running()

    def close(self) -> None:
        """End the zygote, and with it every child."""
        with self._lock:
            if self._zygote is not None:
                self._zygote.end()
                self._zygote = None

    def pids(self) -> list[int]:
        """Return the zygote's process, if it runs."""
        with self._lock:
            return [] if self._zygote is None else [self._zygote.pid]

    def run(self, blob: int, number: int) -> Ended:
        """Have a child do the job.

        Raises:
            ZygoteGone: there was nobody to make the child, twice.
        """
        try:
            return self._run(blob, number)
        except ZygoteGone:
            return self._run(blob, number)

    def _run(self, blob: int, number: int) -> Ended:
        with ExitStack() as stack:
            control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            stack.enter_context(control)
            reads, writes = os.pipe2(os.O_CLOEXEC)
            stack.callback(os.close, reads)
            with self._lock:
                zygote = self._running()
            try:
                with theirs:
                    given = [blob, writes, theirs.fileno()]
                    socket.send_fds(zygote.socket, [b"%d" % number], given)
            except OSError as error:
                self._discard(zygote)
                raise ZygoteGone(str(error)) from error
            finally:
                os.close(writes)
            child = _started(control)
            if child is None:
                self._discard(zygote)
                raise ZygoteGone("it does not answer")
            stack.callback(os.close, child)
            return _Child(child, reads, control).ended(self._seconds)

    def _discard(self, zygote: _Zygote) -> None:
        """Make room for another one; the process may be about to end, and not have ended yet."""
        with self._lock:
            if self._zygote is zygote:
                log.error("the zygote of the sandbox is gone; starting another one")
                zygote.end()
                self._zygote = None

    def _running(self) -> _Zygote:
        """The zygote; with the lock."""
        if self._zygote is not None and self._zygote.ended():
            log.error("the zygote of the sandbox has ended; starting another one")
            # Not `end`: it is buried, and its number may be another process's.
            self._zygote.socket.close()
            self._zygote = None
        if self._zygote is None:
            self._zygote = _Zygote(self._command)
            self.restarts += 1
        return self._zygote


def _started(control: socket.socket) -> int | None:
    """Return the child's pidfd, or `None` where nobody answers."""
    control.settimeout(_ANSWER_SECONDS)
    with suppress(OSError):
        packet, descriptors, _, _ = socket.recv_fds(control, _PACKET_BYTES, 1)
        if packet.startswith(b"started ") and descriptors:
            return descriptors[0]
    return None


class _Child:
    """A child at work."""

    def __init__(self, handle: int, result: int, control: socket.socket) -> None:
        self._handle, self._result, self._control = handle, result, control

    def ended(self, seconds: float) -> Ended:
        """Read what it writes to its end; end it when it takes too long or writes too much."""
        content, until = bytearray(), time.monotonic() + seconds
        how = ""
        poll = select.poll()
        poll.register(self._result, select.POLLIN)
        while not how:
            left = until - time.monotonic()
            if left <= 0 or not poll.poll(left * 1000):
                how = "time"
                break
            part = os.read(self._result, 65536)
            content += part
            if not part:
                break
            if len(content) > MAX_RESULT_BYTES:
                how = "output"
        if how:
            self._kill()
        return Ended(self._end(how, max(0.0, until - time.monotonic())), bytes(content))

    def _end(self, how: str, seconds: float) -> str:
        """Wait until it has ended; one that has closed its pipe may still be at work."""
        self._control.settimeout(None if how else max(0.01, seconds))
        try:
            packet = self._control.recv(_PACKET_BYTES)
        except TimeoutError:
            self._kill()
            return self._end("time", 0)
        except OSError:
            packet = b""
        if not packet:
            # The zygote has ended, and its children end with it.
            self._kill()
            return how or "killed"
        return how or _how(int(packet.split()[1]))

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, signal.SIGKILL)


def _how(status: int) -> str:
    """Say a status of waitpid(2)."""
    if os.WIFSIGNALED(status):
        return _ENDS.get(signal.Signals(os.WTERMSIG(status)), "crash")
    code = os.WEXITSTATUS(status)
    if code == UNCONFINED:
        return "unconfined"
    return "done" if code == 0 else "crash"
