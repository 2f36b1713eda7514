"""The effect of many slow resumable uploads on ordinary small requests.

`python -m loadtests.trickle` starts a Wharf (relaxed durability) and measures small PUT and GET by
wrk. Then it opens slow clients that each send `--bytes` bytes a second in a PATCH, measures again,
and checks that Wharf closed no slow connection. Clients and server share the machine, so the
numbers are valid only for comparison.
"""

from __future__ import annotations

import argparse
import base64
import os
import resource
import selectors
import shutil
import socket
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

from loadtests.bench import servers, small

_LENGTH, _READ = 100_000_000, "read.jpg"
_OPEN = {
    "WHARF_TENANT_CONCURRENT_UPLOADS": "0",
    "WHARF_ADDRESS_CONNECTIONS": "65536",
}


class Slow:
    """Slow clients, which one thread serves."""

    def __init__(self, server: servers.Server, number: int, bytes_per_second: int) -> None:
        self._server, self._block = server, b"x" * bytes_per_second
        self._stopping = threading.Event()
        self.lost = 0
        self.clients = [self._begin(one) for one in range(number)]
        self._thread = threading.Thread(target=self._trickle, daemon=True)
        self._thread.start()

    def _begin(self, number: int) -> socket.socket:
        name = base64.b64encode(f"slow-{number}".encode()).decode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._server.port}/v1/uploads",
            b"",
            {
                **self._server.headers,
                "Tus-Resumable": "1.0.0",
                "Upload-Length": str(_LENGTH),
                "Upload-Metadata": f"filename {name}",
            },
            method="POST",
        )
        with urllib.request.urlopen(request, timeout=60) as reply:
            address = reply.headers["Location"]
        client = socket.create_connection(("127.0.0.1", self._server.port), timeout=60)
        lines = [
            f"PATCH {address} HTTP/1.1",
            "Host: 127.0.0.1",
            f"Authorization: Bearer {self._server.token}",
            "Tus-Resumable: 1.0.0",
            "Upload-Offset: 0",
            "Content-Type: application/offset+octet-stream",
            f"Content-Length: {_LENGTH}",
            "",
            "",
        ]
        client.sendall("\r\n".join(lines).encode())
        return client

    def _trickle(self) -> None:
        there = set(self.clients)
        while not self._stopping.is_set():
            began = time.monotonic()
            # A response before the end of the body, or a disconnect: the client is lost.
            answered = _readable(there)
            for client in list(there):
                try:
                    if client in answered:
                        raise ConnectionError
                    client.sendall(self._block)
                except OSError:
                    there.discard(client)
                    self.lost += 1
            self._stopping.wait(max(0.0, 1 - (time.monotonic() - began)))

    def stop(self) -> None:
        """Disconnect all clients."""
        self._stopping.set()
        self._thread.join()
        for client in self.clients:
            client.close()


def _readable(clients: set[socket.socket]) -> set[object]:
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client, selectors.EVENT_READ)
        return {key.fileobj for key, _ in selector.select(0)}


def measured(server: servers.Server, body: Path, name: str, seconds: float) -> str:
    """Return a line with the results of small PUT and GET."""
    found = []
    for method in ("PUT", "GET"):
        path = f"{server.files}{name}-" if method == "PUT" else f"{server.files}{_READ}"
        result = small.run(
            method, server.port, path, token=server.token, seconds=seconds, body=body
        )
        found.append(
            f"{method} {result.per_second:8.0f}/s  p50 {result.p50:6.2f} ms  "
            f"p99 {result.p99:6.2f} ms"
        )
    return "   ".join(found)


def main() -> None:
    """Run the command: in each round, measure without slow clients and then with slow clients."""
    parser = argparse.ArgumentParser(prog="loadtests.trickle", description=__doc__)
    parser.add_argument("--clients", type=int, default=500)
    parser.add_argument("--bytes", type=int, default=1000, help="a second and client")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=2)
    told = parser.parse_args()
    small.ensure_wrk()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 65_536)), hard))
    os.environ.update(_OPEN)
    base = Path(tempfile.mkdtemp(prefix="wharf-trickle-"))
    try:
        body = base / "body"
        body.write_bytes(b"\xff\xd8\xff\xe0" + os.urandom(10_000))
        with servers.Wharf(base / "wharf", servers.RELAXED) as server:
            request = urllib.request.Request(
                f"http://127.0.0.1:{server.port}{server.files}{_READ}",
                body.read_bytes(),
                server.headers,
                method="PUT",
            )
            urllib.request.urlopen(request, timeout=60).close()
            lost = measure(server, body, told)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    sys.exit(f"{lost} slow clients were hung up on" if lost else 0)


def measure(server: servers.Server, body: Path, told: argparse.Namespace) -> int:
    """Print the lines; return the number of lost slow clients."""
    lost = 0
    for number in range(told.rounds):
        alone = measured(server, body, f"alone{number}", told.seconds)
        print(f"alone              {alone}", flush=True)
        slow = Slow(server, told.clients, told.bytes)
        time.sleep(2)
        crowded = measured(server, body, f"crowded{number}", told.seconds)
        print(f"with {told.clients:5} slow    {crowded}", flush=True)
        slow.stop()
        lost += slow.lost
    print(f"load average at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    return lost


if __name__ == "__main__":
    main()
