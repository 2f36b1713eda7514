"""Tests of the stream server, which writes bodies to files, with failing clients and disks."""

from __future__ import annotations

import os
import resource
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from servicekit.uwsgi_protocol import packet_of
from tests.servers.wharf.raw_http import until
from wharf_upload.http.request import Response
from wharf_upload.streaming.connection import Stream
from wharf_upload.streaming.event_loop import StreamServer
from wharf_upload.streaming.fair_executor import FairExecutor


class Desk:
    """A stream server that writes the body of each request to the file that its path names."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.address = folder, folder / "r.sock"
        self.ended: list[tuple[str, int, bool]] = []
        self.streams: dict[str, Stream] = {}
        self.check_at: int | None = None
        self.loop = StreamServer(self.address, self.handle, FairExecutor(2, "long-work"))
        self.thread = threading.Thread(target=self.loop.run, daemon=True)
        self.thread.start()
        assert until(self._listens)

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            return connection.connect_ex(str(self.address)) == 0

    def handle(self, environ: dict[str, Any]) -> Response | Stream:
        name = environ["REQUEST_URI"].strip("/")
        if name == "refused":
            return Response(413, [], b"too large")
        descriptor = os.open(self.folder / name, os.O_CREAT | os.O_RDWR, 0o600)

        def finish(stream: Stream, error: Exception | None) -> Response:
            os.close(descriptor)
            self.ended.append((name, stream.received, stream.whole))
            return Response(500, [], str(error).encode()) if error else Response(204, [])

        stream = Stream(descriptor, 0, int(environ["CONTENT_LENGTH"]), finish)
        if self.check_at is not None:
            stream.check, stream.check_at = self.refuse, self.check_at
        self.streams[name] = stream
        return stream

    def refuse(self) -> None:
        raise ValueError("forbidden")

    def open(self, name: str, length: int) -> socket.socket:
        """Begin a request as nginx does."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(20)
        connection.connect(str(self.address))
        variables = {
            "REQUEST_METHOD": "PATCH",
            "REQUEST_URI": f"/{name}",
            "CONTENT_LENGTH": str(length),
        }
        connection.sendall(packet_of(variables))
        return connection


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Yield a running stream server."""
    found = Desk(tmp_path)
    yield found
    found.loop.stop()
    found.thread.join(20)
    assert not found.thread.is_alive()


def status(connection: socket.socket) -> int:
    """Return the status of the response."""
    with connection:
        return int(connection.recv(4096).split()[1])


def test_a_body(desk: Desk) -> None:
    """A body of many blocks is written to the file, and the response follows it."""
    content = os.urandom(5_000_000)
    connection = desk.open("a", len(content))
    connection.sendall(content)
    assert status(connection) == 204
    assert (desk.folder / "a").read_bytes() == content


def test_bodies_side_by_side(desk: Desk) -> None:
    """Bodies that arrive in turns are not mixed."""
    contents = [os.urandom(300_000) for _ in range(8)]
    connections = [desk.open(f"n{number}", 300_000) for number in range(8)]
    for begin in range(0, 300_000, 50_000):
        for connection, content in zip(connections, contents, strict=True):
            connection.sendall(content[begin : begin + 50_000])
    assert [status(connection) for connection in connections] == [204] * 8
    assert [(desk.folder / f"n{number}").read_bytes() for number in range(8)] == contents


def test_a_client_that_goes(desk: Desk) -> None:
    """When a client disconnects, the received bytes are in the file and their number is known."""
    connection = desk.open("gone", 1000)
    connection.sendall(b"x" * 400)
    connection.close()
    assert until(lambda: desk.ended == [("gone", 400, False)])
    assert (desk.folder / "gone").read_bytes() == b"x" * 400


def test_an_answer_before_the_body(desk: Desk) -> None:
    """A refusal reaches a client that is still sending, and the rest of its body is discarded."""
    connection = desk.open("refused", 10_000_000)
    connection.sendall(b"x" * 1_000_000)
    assert connection.recv(4096).startswith(b"HTTP/1.1 413")
    connection.sendall(b"x" * 1_000_000)
    connection.close()


def test_a_check_that_fails(desk: Desk) -> None:
    """A failed check of the first bytes ends the stream long before its end."""
    desk.check_at = 1000
    connection = desk.open("checked", 10_000_000)
    connection.sendall(b"x" * 5000)
    assert status(connection) == 500
    assert desk.ended[0][1] < 10_000_000


def test_a_cancelled_stream(desk: Desk) -> None:
    """A cancelled stream takes the bytes that have arrived, and then ends."""
    connection = desk.open("cancelled", 1000)
    connection.sendall(b"x" * 300)
    assert until(lambda: "cancelled" in desk.streams)
    desk.loop.cancel(desk.streams["cancelled"])
    assert status(connection) == 204
    assert desk.ended == [("cancelled", 300, False)]


def test_a_full_disk(desk: Desk) -> None:
    """A disk error ends only the stream that it concerns, and the next stream works."""
    connection = desk.open("full", 1000)
    assert until(lambda: "full" in desk.streams)
    desk.streams["full"].descriptor = os.open("/dev/full", os.O_WRONLY)
    connection.sendall(b"x" * 1000)
    assert status(connection) == 500
    os.close(desk.streams["full"].descriptor)
    after = desk.open("after", 3)
    after.sendall(b"abc")
    assert status(after) == 204
    assert (desk.folder / "after").read_bytes() == b"abc"


def test_nonsense_ends_its_connection_alone(desk: Desk) -> None:
    """A malformed request is disconnected, and other requests are served."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(desk.address))
        connection.sendall(b"\x00\x04\x00\x00\xff\xff\xff\xff")
        assert connection.recv(10) == b""
    good = desk.open("good", 1)
    good.sendall(b"x")
    assert status(good) == 204


def test_no_descriptor_is_left_for_a_connection(desk: Desk) -> None:
    """Without free descriptors a running stream completes, and a new connection waits."""
    content = os.urandom(100_000)
    connection = desk.open("a", 2 * len(content))
    connection.sendall(content)
    assert until(lambda: "a" in desk.streams and desk.streams["a"].received == len(content))
    waiting = socket.socket(socket.AF_UNIX)
    with no_descriptor_left():
        waiting.connect(str(desk.address))
        waiting.sendall(
            packet_of({"REQUEST_METHOD": "PATCH", "REQUEST_URI": "/b", "CONTENT_LENGTH": "0"})
        )
        connection.sendall(content)
        assert until(lambda: desk.ended == [("a", 2 * len(content), True)])
    assert status(connection) == 204
    waiting.settimeout(20)
    assert status(waiting) == 204


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """Within this context the process cannot get a descriptor."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_a_handler_that_fails(desk: Desk) -> None:
    """A request is closed if its handler or its end raises an unexpected error."""
    connection = desk.open("no/folder", 1)  # The desk cannot open its file.
    assert connection.recv(1) == b""
    connection.close()
    ending = desk.open("fails", 1)
    assert until(lambda: "fails" in desk.streams)
    desk.streams["fails"].finish = failing
    ending.sendall(b"x")
    assert ending.recv(1) == b""
    ending.close()


def failing(_: Stream, __: Exception | None) -> Response:
    """Raise an unexpected error."""
    raise RuntimeError("broken")


def test_leaving_lets_streams_end(desk: Desk) -> None:
    """After `drain` the server accepts no request, and ends when the open streams are complete."""
    with desk.open("late", 6) as connection:
        connection.sendall(b"abc")
        assert until(lambda: desk.streams.get("late") and desk.streams["late"].received == 3)
        desk.loop.drain(60)
        assert until(lambda: desk.loop.draining)
        with desk.open("new", 3) as other:
            other.sendall(b"new")
            connection.sendall(b"def")
            assert status(connection) == 204
            desk.thread.join(60)
            assert not desk.thread.is_alive()
    assert (desk.folder / "late").read_bytes() == b"abcdef"
    assert not (desk.folder / "new").exists()


def test_leaving_hangs_up_what_takes_too_long(desk: Desk) -> None:
    """A stream that outlasts the drain keeps its bytes, and the gateway disconnects the client."""
    with desk.open("slow", 6) as connection:
        connection.sendall(b"abc")
        assert until(lambda: desk.streams.get("slow") and desk.streams["slow"].received == 3)
        desk.loop.drain(0)
        answer = connection.recv(4096)
        assert b"X-Accel-Redirect: /_hang_up\r\n" in answer
    desk.thread.join(60)
    assert not desk.thread.is_alive()
    assert desk.ended == [("slow", 3, False)]


def test_a_socket_that_somebody_keeps(tmp_path: Path) -> None:
    """The server uses a listening socket that is already open, and does not close the socket."""
    address = tmp_path / "r.sock"
    with socket.socket(socket.AF_UNIX) as kept, socket.socket(socket.AF_UNIX) as client:
        kept.bind(str(address))
        kept.listen(5)
        inode = address.stat().st_ino
        loop = StreamServer(address, lambda _: Response(404, []), FairExecutor(2, "long-work"))
        thread = threading.Thread(target=loop.run, daemon=True)
        thread.start()
        client.connect(str(address))
        client.settimeout(60)
        variables = {"REQUEST_METHOD": "HEAD", "REQUEST_URI": "/x", "CONTENT_LENGTH": "0"}
        client.sendall(packet_of(variables))
        assert client.recv(4096).startswith(b"HTTP/1.1 404")
        loop.stop()
        thread.join(60)
        assert address.stat().st_ino == inode
        with socket.socket(socket.AF_UNIX) as waiting:
            waiting.connect(str(address))
