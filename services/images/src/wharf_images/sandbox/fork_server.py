"""The zygote: a process without threads that forks a confined child for each picture.

It reads requests from a socket of packets: the job's number, with three descriptors: the blob, the
pipe for the result, and a socket of the request's own. There it answers with `started PID` and the
child's pidfd, and when the child has ended with `ended STATUS` (waitpid(2)). It ends when the
socket is closed. It never reads a blob.
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

# Takes the descriptor of a blob and the number; returns what is written to the pipe.
Job = Callable[[int, int], bytes]
# The child's exit code where the kernel has refused a part of the sandbox.
UNCONFINED = 70
_PACKET_BYTES = 64


class ForkServer:
    """Serves one socket to its end.

    Args:
        requests: the socket of packets.
        job: what a child does.
        landlock_abi: the version of Landlock that confines a child; 0 for none.
    """

    def __init__(self, requests: socket.socket, job: Job, landlock_abi: int) -> None:
        self._requests, self._job, self._landlock_abi = requests, job, landlock_abi
        # By the child: where its end is told.
        self._children: dict[int, socket.socket] = {}

    def serve(self) -> None:
        """Fork for each request; return when there will be no more."""
        seccomp.compiled(kernel.machine())
        # What lives now is shared with the children: a collection would write to all of it.
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
        with suppress(OSError):  # it has given up already
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
        """Do the job, confined; nothing of the zygote's goes on in this process."""
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
