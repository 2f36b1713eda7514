"""The front door for a balancer opens while the replica responds, and shuts before it stops."""

from __future__ import annotations

import contextlib
import fcntl
import http.server
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.ports import free_port
from wharf_gateway.front_door import SUFFIX, FrontDoor, answers, template_values


class Service:
    """A simulated service. A test sets its response."""

    alive = True

    def __call__(self) -> bool:
        return self.alive


@pytest.fixture
def service() -> Service:
    """Return a service that responds at first."""
    return Service()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of the front door."""
    return tmp_path / "replica-1.sock"


@contextlib.contextmanager
def nginx(path: Path) -> Iterator[socket.socket]:
    """Listen behind the door as nginx does. The socket's file stays, as after a killed nginx."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{path}{SUFFIX}")
        listening.listen()
        yield listening


@pytest.fixture
def listener(path: Path) -> Iterator[socket.socket]:
    """Yield nginx's listener behind the door."""
    with nginx(path) as listening:
        yield listening


@pytest.fixture
def other(path: Path) -> Iterator[Path]:
    """Yield the path of another replica's door. Its nginx listens, but the door has no link yet."""
    link = path.with_name("replica-2.sock")
    with nginx(link):
        yield link


def reachable(path: Path) -> bool:
    """Tell whether a balancer can connect to the door."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(path))
        except OSError:
            return False
    return True


def silent(path: Path, service: Service) -> FrontDoor:
    """Return an open door whose service has failed one check. A second failure shuts the door."""
    door = FrontDoor(str(path), service)
    door.poll()
    service.alive = False
    door.poll()
    assert reachable(path)
    return door


def test_opens_when_the_service_answers(
    path: Path, service: Service, listener: socket.socket
) -> None:
    """The door opens after the service behind the gateway has responded once."""
    service.alive = False
    door = FrontDoor(str(path), service)
    door.poll()
    assert not reachable(path)
    service.alive = True
    door.poll()
    assert reachable(path)


def test_shuts_when_the_service_is_silent(
    path: Path, service: Service, listener: socket.socket, other: Path
) -> None:
    """The door shuts after two checks without a response if another replica's door is open."""
    other.symlink_to(other.name + SUFFIX)
    door = silent(path, service)
    door.poll()
    assert not reachable(path)
    service.alive = True
    door.poll()
    assert reachable(path)


def test_the_last_door_stays_open(
    path: Path, service: Service, listener: socket.socket, other: Path
) -> None:
    """The last open door stays open, so that clients get 503 instead of a refused connection."""
    door = silent(path, service)
    for _ in range(5):
        door.poll()
    assert reachable(path)
    other.symlink_to(other.name + SUFFIX)
    door.poll()
    assert not reachable(path)


@pytest.mark.parametrize("socket_left", [True, False])
def test_the_link_of_a_killed_gateway_is_no_open_door(
    *, path: Path, service: Service, listener: socket.socket, socket_left: bool
) -> None:
    """A link without a listener does not count as an open door."""
    dead = path.with_name("replica-2.sock")
    if socket_left:
        with nginx(dead):
            pass
    dead.symlink_to(dead.name + SUFFIX)
    door = silent(path, service)
    door.poll()
    assert reachable(path)


def test_of_two_that_fall_silent_together_one_stays_open(
    path: Path,
    service: Service,
    listener: socket.socket,
    other: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If the services of two gateways fail at the same time, one gateway leaves its door open."""
    doors = [silent(path, service)]
    service.alive = True
    doors.append(silent(other, service))
    unlink = os.unlink

    def unlink_after_the_other_looked(name: str) -> None:
        if len(doors) > 1:
            doors.pop().poll()
        unlink(name)

    monkeypatch.setattr("wharf_gateway.front_door.os.unlink", unlink_after_the_other_looked)
    doors[0].poll()
    assert [reachable(path), reachable(other)] == [False, True]


def test_a_folder_that_is_locked_is_not_waited_for(
    path: Path, service: Service, listener: socket.socket, other: Path
) -> None:
    """While another gateway has the folder's lock, the door stays as it is, and shuts later."""
    other.symlink_to(other.name + SUFFIX)
    door = silent(path, service)
    folder = os.open(path.parent, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    try:
        door.poll()
        assert reachable(path)
    finally:
        os.close(folder)
    door.poll()
    assert not reachable(path)


def test_a_stop_shuts_for_good(path: Path, service: Service, listener: socket.socket) -> None:
    """After `close()` the door stays shut, even when the service responds."""
    door = FrontDoor(str(path), service)
    door.poll()
    door.close()
    assert not reachable(path)
    door.poll()
    assert not reachable(path)


def test_what_came_before_a_stop_is_accepted(
    path: Path, service: Service, listener: socket.socket
) -> None:
    """A connection from before `close()` stays in nginx's queue and is accepted."""
    door = FrontDoor(str(path), service)
    door.poll()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        door.close()
        accepted, _ = listener.accept()
        accepted.close()


def test_what_a_killed_gateway_left_is_swept(path: Path, service: Service) -> None:
    """A sweep removes the link and the socket of a killed gateway, so a new nginx can listen."""
    for _ in range(2):
        door = FrontDoor(str(path), service)
        door.sweep()
        assert not door.is_open
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(f"{path}{SUFFIX}")
            door.poll()
        assert door.is_open


def test_without_a_door_nginx_listens_nowhere_else() -> None:
    """nginx listens behind the front door only if the path of the front door is set."""
    assert not any(template_values().values())
    values = template_values("/f/a.sock")
    assert values["WHARF_FRONT_DOOR"] == "listen unix:/f/a.sock.nginx proxy_protocol;"
    assert values.keys() == template_values().keys()


@pytest.mark.parametrize(("status", "alive"), [(200, True), (404, True), (503, False)])
def test_what_counts_as_an_answer(*, status: int, alive: bool) -> None:
    """A 5xx of the liveness check is no response: nginx returns it when the service is absent."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.handle_request).start()
        assert answers(server.server_port) is alive


def test_nobody_there_is_no_answer() -> None:
    """A port without a listener counts as no response."""
    port = free_port()
    assert not answers(port)
