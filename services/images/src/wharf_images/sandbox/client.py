"""The service's side of the sandbox: starts the zygote, sends it jobs, and kills late children."""

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

# The longest time of a child. It is longer than the limit of CPU time, so only a child that sleeps,
# or that gets no CPU time from the machine, reaches it.
SECONDS = 15.0
MAX_RESULT_BYTES = 1024 * 1024 + 1
# How long the zygote may take to start a child.
_ANSWER_SECONDS = 5.0
_PACKET_BYTES = 64
# The descriptor of the socket that the zygote inherits.
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
        how: `done`; `cpu`, `time`, `output`, `file-size` (limits); `refused-call` (seccomp);
            `crash`; `killed` (not by this service); `unconfined` (the kernel refused a part of the
            sandbox, and the child read nothing).
        result: the bytes that the child wrote; they are a result only if `how` is `done`.
    """

    how: str
    result: bytes = b""


class ZygoteGone(Exception):
    """The zygote has ended or does not respond."""


class _Zygote:
    """A zygote process and the socket to it."""

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
                # A separate process group: Ctrl-C at a terminal must reach only the service, which
                # then completes its requests.
                setpgroup=0,
            )

    def ended(self) -> bool:
        """Tell whether the process has ended, and reap it (waitpid)."""
        try:
            return os.waitpid(self.pid, os.WNOHANG)[0] != 0
        except ChildProcessError:
            return True

    def end(self) -> None:
        """Close the socket and kill the process."""
        self.socket.close()
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


class Sandbox:
    """Runs the zygote's job on blobs, from any thread; replaces a zygote that has ended.

    Args:
        command: the command that starts the zygote; the zygote gets its socket as descriptor 3.
        seconds: the longest wall-clock time of a child.
    """

    def __init__(self, command: Sequence[str], seconds: float = SECONDS) -> None:
        self._command, self._seconds = command, seconds
        self._lock = threading.Lock()
        self._zygote: _Zygote | None = None
        self.restarts = -1

    def watch(self) -> None:
        """Start the zygote if it does not run; the service calls this about twice a second."""
        with self._lock:
            self._running()

    def close(self) -> None:
        """Kill the zygote, and with it all its children."""
        with self._lock:
            if self._zygote is not None:
                self._zygote.end()
                self._zygote = None

    def pids(self) -> list[int]:
        """Return the process id of the zygote, an empty list if none runs."""
        with self._lock:
            return [] if self._zygote is None else [self._zygote.pid]

    def run(self, blob: int, number: int) -> Ended:
        """Let a child do the job; return how it ended.

        Raises:
            ZygoteGone: no zygote started a child, in two tries.
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
                raise ZygoteGone("the zygote does not respond")
            stack.callback(os.close, child)
            return _Child(child, reads, control).ended(self._seconds)

    def _discard(self, zygote: _Zygote) -> None:
        """Kill a zygote, which may be about to end, so that `_running` starts another one."""
        with self._lock:
            if self._zygote is zygote:
                log.error("the zygote of the sandbox does not respond; starting another one")
                zygote.end()
                self._zygote = None

    def _running(self) -> _Zygote:
        """Return the zygote; start one if none runs. The caller must hold the lock."""
        if self._zygote is not None and self._zygote.ended():
            log.error("the zygote of the sandbox has ended; starting another one")
            # Do not call `end`: the process is reaped, and its id may belong to another process.
            self._zygote.socket.close()
            self._zygote = None
        if self._zygote is None:
            self._zygote = _Zygote(self._command)
            self.restarts += 1
        return self._zygote


def _started(control: socket.socket) -> int | None:
    """Return the child's pidfd, `None` if the zygote does not respond."""
    control.settimeout(_ANSWER_SECONDS)
    with suppress(OSError):
        packet, descriptors, _, _ = socket.recv_fds(control, _PACKET_BYTES, 1)
        if packet.startswith(b"started ") and descriptors:
            return descriptors[0]
    return None


class _Child:
    """A running child; `handle` is its pidfd, `result` its pipe, `control` the request's socket."""

    def __init__(self, handle: int, result: int, control: socket.socket) -> None:
        self._handle, self._result, self._control = handle, result, control

    def ended(self, seconds: float) -> Ended:
        """Read the child's output until it ends; kill a child that is too slow or writes too much.

        `seconds` is the longest time.
        """
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
        """Wait until the child has ended: it may still run after it has closed its pipe."""
        self._control.settimeout(None if how else max(0.01, seconds))
        try:
            packet = self._control.recv(_PACKET_BYTES)
        except TimeoutError:
            self._kill()
            return self._end("time", 0)
        except OSError:
            packet = b""
        if not packet:
            # The zygote has ended, and its children end with it. Kill the child to be sure.
            self._kill()
            return how or "killed"
        return how or _how(int(packet.split()[1]))

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, signal.SIGKILL)


def _how(status: int) -> str:
    """Return the way of ending for a status of waitpid(2)."""
    if os.WIFSIGNALED(status):
        return _ENDS.get(signal.Signals(os.WTERMSIG(status)), "crash")
    code = os.WEXITSTATUS(status)
    if code == UNCONFINED:
        return "unconfined"
    return "done" if code == 0 else "crash"
