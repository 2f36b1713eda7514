"""The gateway's two queues to auth: one for requests with a secret, and one for all others."""

from __future__ import annotations

import http.client
import select
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.servers.gateway import Running
from tests.servers.wharf.raw_http import until

# The number of logins that one worker of nginx may have at the socket for other requests.
ELSEWHERE = 16
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
LOGIN_SENT = b"POST /auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
LOGIN, KEYS = ("POST", "/auth/login"), ("GET", "/.well-known/jwks.json")


@contextmanager
def socket_of_auth(path: Path) -> Iterator[list[bytes]]:
    """Stand in for one socket of auth: respond with 200 to all requests,
    and yield their packets.
    """
    packets: list[bytes] = []
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                packets.append(connection.recv(65536))
                connection.sendall(ANSWER)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield packets
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()
        path.unlink()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("g")
    made = Running(folder, WHARF_DRAIN_SECONDS="0", WHARF_NGINX_WORKERS="1")
    try:
        assert until(made.answers), made.output
        yield made
    finally:
        made.end(signal.SIGINT)


def status(gateway: Running, method: str, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    connection.request(method, path, headers={"Host": "localhost", "Content-Length": "0"})
    found = connection.getresponse().status
    connection.close()
    return found


def test_secrets_have_a_way_of_their_own(gateway: Running) -> None:
    """nginx sends a request with a secret to the second socket, and any other request
    to the first one.
    """
    folder = gateway.folder / "auth"
    with_a_secret = (
        LOGIN,
        ("POST", "/auth/oauth/token"),
        ("POST", "/auth/%6Fauth/introspect"),
        ("PUT", "/auth/me/password"),
        ("POST", "/auth/v1/tenants/acme/users"),
    )
    without = (
        KEYS,
        ("GET", "/auth/me"),
        ("GET", "/auth/login"),
        ("POST", "/auth/logout"),
        ("GET", "/auth/v1/tenants/acme/users"),
        ("POST", "/auth/v1/tenants"),
    )
    with (
        socket_of_auth(folder / "auth.sock") as others,
        socket_of_auth(folder / "secrets.sock") as secrets,
    ):
        assert {status(gateway, *one) for one in (*with_a_secret, *without)} == {200}
    for packets, requests in ((secrets, with_a_secret), (others, without)):
        assert len(packets) == len(requests)
        for packet, (method, path) in zip(packets, requests, strict=True):
            assert method.encode() in packet
            assert path.encode() in packet


def test_an_auth_of_before(gateway: Running) -> None:
    """An auth of an older release, which listens at one socket only, receives all requests."""
    with socket_of_auth(gateway.folder / "auth/auth.sock") as packets:
        assert status(gateway, *LOGIN) == 200
        assert status(gateway, *KEYS) == 200
    assert len(packets) == 2


def test_secrets_that_nobody_takes(gateway: Running) -> None:
    """If the process for secrets hangs, only logins wait. Auth's keys are still served."""
    folder = gateway.folder / "auth"
    with socket.socket(socket.AF_UNIX) as hanging, socket_of_auth(folder / "auth.sock") as packets:
        hanging.bind(str(folder / "secrets.sock"))
        hanging.listen()
        with gateway.connect() as login:
            login.sendall(LOGIN_SENT)
            taken, _ = hanging.accept()
            assert status(gateway, *KEYS) == 200
            taken.close()
            # nginx has sent the request, so it must not send it again to another socket.
            assert login.recv(12) == b"HTTP/1.1 503"
    assert len(packets) == 1
    (folder / "secrets.sock").unlink()


def test_a_queue_of_secrets_that_is_full(gateway: Running) -> None:
    """If the queue for secrets is full, only 16 logins use the other queue.
    Further logins get 503.
    """
    folder = gateway.folder / "auth"
    with ExitStack() as stack:
        full, others = (stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(2))
        full.bind(str(folder / "secrets.sock"))
        full.listen(0)
        others.bind(str(folder / "auth.sock"))
        others.listen(4 * ELSEWHERE)
        others.settimeout(30)
        # One connection is in the queue, and no process accepts it.
        waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
        waiting.connect(str(folder / "secrets.sock"))
        logins = [stack.enter_context(gateway.connect()) for _ in range(3 * ELSEWHERE)]
        for login in logins:
            login.sendall(LOGIN_SENT)
        taken = [stack.enter_context(others.accept()[0]) for _ in range(ELSEWHERE)]
        answered, _, _ = select.select(logins, [], [], 30)
        assert until(lambda: len(select.select(logins, [], [], 0)[0]) == 2 * ELSEWHERE, 10)
        assert all(one.recv(12) == b"HTTP/1.1 503" for one in answered)
        for one in taken:
            one.recv(65536)
            one.sendall(ANSWER)
            one.close()
        assert until(lambda: len(select.select(logins, [], [], 0)[0]) == len(logins))
        others.setblocking(False)
        with pytest.raises(BlockingIOError):
            others.accept()
    for name in ("secrets.sock", "auth.sock"):
        (folder / name).unlink()
