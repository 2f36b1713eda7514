"""A process of the service `images`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.image_files import LOCATION, BlobsSocket, blobs_socket
from tests.servers.uwsgi import Reply, request

BINARY = Path(sys.executable).parent / "wharf-images"
START_SECONDS = 30.0


@dataclass
class Service:
    """A running `wharf-images serve`, and the socket on which a test serves the blobs."""

    process: subprocess.Popen[bytes]
    socket: Path
    blobs: BlobsSocket
    log: Path

    def ask(self, path: str, **variables: str) -> Reply:
        """Send a request with these variables, as nginx does, and return the response."""
        return request(self.socket, "GET", path, parameters=variables)

    def picture(self, location: str = LOCATION, width: int = 64) -> Reply:
        """Return the response to a request for a picture."""
        return self.ask("/picture", WHARF_BLOB=location, WHARF_WIDTH=str(width))

    def metric(self, name: str) -> float:
        """Return one value of the metrics."""
        lines = self.ask("/metrics").body.decode().splitlines()
        return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name + " "))

    def stop(self) -> int:
        """Send SIGTERM and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(START_SECONDS)


@contextmanager
def service(folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[Service]:
    """Run the service until the end of the block."""
    ready, log = folder / "ready", folder / "images.log"
    environment = {
        "PATH": os.environ["PATH"],
        "WHARF_SOCKETS": str(folder),
        "WHARF_READY_FILE": str(ready),
        **(settings or {}),
    }
    with blobs_socket(folder) as blobs, log.open("wb") as output:
        process = subprocess.Popen(
            [BINARY, "serve"], env=environment, stderr=output, stdin=subprocess.DEVNULL
        )
        try:
            until = time.monotonic() + START_SECONDS
            while not Path(f"{ready}.term").exists():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < until, log.read_text()
                time.sleep(0.01)
            yield Service(process, folder / "images.sock", blobs, log)
        finally:
            process.kill()
            process.wait()
