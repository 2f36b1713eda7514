"""The zygote: a process without threads that forks a confined child for each picture.

The zygote reads requests from a socket of packets. A request is the job's number and three
descriptors: the blob, the pipe for the result, and the request's own socket. On the request's
socket the zygote sends `started PID` with the child's pidfd, and `ended STATUS` (waitpid(2)) when
the child has ended. The zygote ends when its socket is closed, and never reads a blob.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from wharf_images.sandbox import kernel, seccomp
from wharf_images.sandbox.confinement import BLOB, RESULT, confine, keep_only

# A function that gets the descriptor of a blob and the job's number, and returns the bytes for the
# pipe.
Job = Callable[[int, int], bytes]
# The child's exit code if the kernel has refused a part of the sandbox.
UNCONFINED = 70
_PACKET_BYTES = 64


class ForkServer:
    """Serves one socket until it is closed.

    Args:
        requests: the socket of packets.
        job: the function that a child runs.
        landlock_abi: the version of Landlock that confines a child; 0 for none.
    """

    def __init__(self, requests: socket.socket, job: Job, landlock_abi: int) -> None:
        self._requests, self._job, self._landlock_abi = requests, job, landlock_abi
        # The socket of each request, by the process id of its child.
        self._children: dict[int, socket.socket] = {}

    def serve(self) -> None:
        """Fork a child for each request; return when the service has closed the socket."""
        seccomp.compiled(kernel.machine())
        # The children share the memory of all present objects. A garbage collection would write to
        # that memory, and so copy it.
        gc.disable()
        gc.freeze()
        woken, wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        poll = select.poll()
        poll.register(self._requests, select.POLLIN)
        poll.register(woken, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poll.poll()}
            if woken in ready:
                os.read(woken, 4096)
                self._bury()
            if self._requests.fileno() in ready and not self._take():
                return

    def _take(self) -> bool:
        packet, descriptors, _, _ = socket.recv_fds(self._requests, _PACKET_BYTES, 3)
        if not packet:
            return False
        blob, result, own = descriptors
        pid = os.fork()
        if pid == 0:
            self._become_child(blob, result, int(packet))
        os.close(blob)
        os.close(result)
        control = socket.socket(fileno=own)
        control.setblocking(False)
        self._children[pid] = control
        handle = os.pidfd_open(pid)
        with suppress(OSError):  # the service does not wait for this request any more
            socket.send_fds(control, [b"started %d" % pid], [handle])
        os.close(handle)
        return True

    def _bury(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            with self._children.pop(pid) as control, suppress(OSError):
                control.send(b"ended %d" % status)

    def _become_child(self, blob: int, result: int, number: int) -> NoReturn:
        """Run the job in confinement, then exit; this call never returns to the zygote's code."""
        code = UNCONFINED
        try:
            parent = os.getppid()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            keep_only(blob, result)
            try:
                confine(self._landlock_abi, parent)
            except OSError as error:
                _write(str(error).encode())
                raise
            code = 1
            _write(self._job(BLOB, number))
            code = 0
        finally:
            os._exit(code)


def _write(result: bytes) -> None:
    left = memoryview(result)
    while left:
        left = left[os.write(RESULT, left) :]
