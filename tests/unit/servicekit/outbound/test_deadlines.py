"""The deadline of a request: it ends each wait, and leaves no thread and no socket."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest

from servicekit.outbound import Sender, SendingFailed
from tests.servers.certificates import Certificate
from tests.servers.raw_receiver import OK, Behaviour, drips, hangs_after, raw_receiver, sends

HEAD = b"HTTP/1.1 200 OK\r\n"
SECONDS = 0.2
MakeSender = Callable[..., Sender]
SLOW: list[Behaviour] = [
    hangs_after(),
    hangs_after(b"HTTP/1.1 200"),
    hangs_after(HEAD),
    hangs_after(HEAD, b"Content-Length: 0\r\n"),
    hangs_after(HEAD, b"Content-Length: 3\r\n\r\nok"),
    hangs_after(HEAD, b"\r\nok"),
    hangs_after(HEAD, b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"),
    hangs_after(b"HTTP/1.1 103 \r\n\r\n"),
    drips(b"", b"H", 0.01),
    drips(HEAD, b"A: b\r\n", 0.01),
    drips(HEAD + b"A: ", b"b", 0.01),
    drips(HEAD + b"\r\n", b"b", 0.01),
    drips(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", 0.01),
    drips(b"", b"HTTP/1.1 100 \r\n\r\n", 0.01),
    drips(b"", b"HTTP/1.1 103 \r\n\r\n", 0.01),
]


def timed_out(sender: Sender, url: str, body: bytes = b"") -> None:
    with pytest.raises(SendingFailed, match=r"no complete answer within 0\.2 seconds") as raised:
        sender.post(url, {}, body)
    assert raised.value.kind == "timeout"


@pytest.fixture(scope="module")
def impatient(sender_of: MakeSender, certificate: Certificate) -> Sender:
    """Return a sender with a short deadline."""
    return sender_of(total_seconds=SECONDS, ca_file=certificate.authority)


@pytest.mark.parametrize("behaviour", SLOW)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_slow_receiver(
    impatient: Sender, certificate: Certificate, scheme: str, behaviour: Behaviour
) -> None:
    """A receiver that hangs or drips is a timeout, although parts of its answer are valid."""
    with raw_receiver(behaviour, certificate if scheme == "https" else None) as receiver:
        timed_out(impatient, f"{scheme}://localhost:{receiver.port}")


def test_a_receiver_that_does_not_read(impatient: Sender) -> None:
    """A receiver that does not read the request is a timeout."""
    ended = threading.Event()

    def wait(_: socket.socket) -> None:
        ended.wait(60)

    with raw_receiver(wait, reads=False) as receiver:
        timed_out(impatient, f"http://127.0.0.1:{receiver.port}", b"x" * 30_000_000)
        ended.set()


def test_a_handshake_that_hangs(impatient: Sender) -> None:
    """A receiver that accepts a connection and never answers the handshake is a timeout."""
    with raw_receiver(hangs_after(), reads=False) as receiver:
        timed_out(impatient, f"https://localhost:{receiver.port}")


def test_slow_dns(sender_of: MakeSender) -> None:
    """The time of DNS counts: after a slow answer the sender does not connect."""
    now = [0.0]

    def slow(_: str) -> Sequence[str]:
        now[0] += 15
        return ["127.0.0.1"]

    with raw_receiver(sends(OK), reads=False) as receiver:
        sender = sender_of(resolver=slow, clock=lambda: now[0], total_seconds=15.0)
        with pytest.raises(SendingFailed, match="within 15 seconds"):
            sender.post(f"http://hooks.corp:{receiver.port}", {}, b"")
        assert receiver.connections == 0


@contextmanager
def full_queue() -> Iterator[int]:
    """Yield a port at which connections are neither accepted nor refused."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        # The queue has one more place than its size.
        for _ in range(2):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield server.getsockname()[1]


@pytest.mark.parametrize("seconds", [{"connect_seconds": SECONDS}, {"total_seconds": SECONDS}])
def test_connecting_has_its_own_time(sender_of: MakeSender, seconds: dict[str, float]) -> None:
    """A host that never accepts the connection is a timeout after the shorter of both times."""
    with full_queue() as port, pytest.raises(SendingFailed, match="accept") as raised:
        sender_of(**seconds).post(f"http://127.0.0.1:{port}", {}, b"")
    assert raised.value.kind == "timeout"


def test_each_address_has_its_share(sender_of: MakeSender) -> None:
    """An address that never accepts a connection leaves time for the next address."""
    with full_queue() as port, raw_receiver(sends(OK), address="127.0.0.2", port=port) as receiver:
        sender = sender_of(
            "hooks.corp", resolver=lambda _: ["127.0.0.1", "127.0.0.2"], connect_seconds=2.0
        )
        assert sender.post(f"http://hooks.corp:{port}", {}, b"").status == 200
        assert receiver.connections == 1


def test_nothing_is_left(sender_of: MakeSender, certificate: Certificate) -> None:
    """After 200 timeouts in several threads there are as many threads and files as before."""
    sender = sender_of(total_seconds=0.02, ca_file=certificate.authority)
    behaviour = drips(HEAD, b"A: b\r\n", 0.005)
    with (
        raw_receiver(behaviour) as plain,
        raw_receiver(hangs_after(), reads=False) as silent,
    ):
        before = counted()
        urls = [f"http://127.0.0.1:{plain.port}", f"https://localhost:{silent.port}"] * 100

        def failed(url: str) -> str:
            with pytest.raises(SendingFailed) as raised:
                sender.post(url, {}, b"")
            return raised.value.kind

        with ThreadPoolExecutor(8) as threads:
            kinds = list(threads.map(failed, urls))
        assert kinds == ["timeout"] * 200
        plain.join()
        silent.join()
        assert counted() == before


def counted() -> tuple[int, int]:
    """Return the number of threads and of open files of this process."""
    return threading.active_count(), len(os.listdir("/proc/self/fd"))
