"""The zygote that makes pictures: `python -I -m wharf_images.zygote LANDLOCK_ABI`.

The zygote loads Pillow once; no other process loads it. Descriptor 3 is the zygote's socket
(`sandbox.fork_server`).
"""

from __future__ import annotations

import os
import signal
import socket
import sys

from wharf_images.formats import NoPicture
from wharf_images.picturing import pictures
from wharf_images.sandbox.fork_server import ForkServer, Job

_SOCKET, _HIGHEST = 3, 65536


def make(blob: int, width: int) -> bytes:
    """Return `P` and the picture, or `N` and the reason for which the file has no picture."""
    try:
        return b"P" + pictures.make(blob, width)
    except NoPicture as none:
        return f"N{none.reason} {none.detail}".encode()


def serve(job: Job, landlock_abi: int) -> None:
    """Run a zygote for this job until the service closes the socket."""
    # Close descriptors that the service has inherited, such as listening sockets.
    os.closerange(_SOCKET + 1, _HIGHEST)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=_SOCKET) as requests:
        ForkServer(requests, job, landlock_abi).serve()


if __name__ == "__main__":
    pictures.load()
    serve(make, int(sys.argv[1]))
