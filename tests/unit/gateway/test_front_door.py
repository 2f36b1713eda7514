"""The door for a balancer: there while the replica answers, gone before it stops."""

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
    """What is asked; a test says how it answers."""

    alive = True

    def __call__(self) -> bool:
        return self.alive


@pytest.fixture
def service() -> Service:
    """A service that answers at first."""
    return Service()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the door is, with somebody listening behind it."""
    return tmp_path / "replica-1.sock"


@contextlib.contextmanager
def nginx(path: Path) -> Iterator[socket.socket]:
    """nginx's part: listens behind the door, and leaves its socket when it is killed."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{path}{SUFFIX}")
        listening.listen()
        yield listening


@pytest.fixture
def listener(path: Path) -> Iterator[socket.socket]:
    """nginx behind the door."""
    with nginx(path) as listening:
        yield listening


@pytest.fixture
def other(path: Path) -> Iterator[Path]:
    """Where the door of another replica is, with its nginx listening and no link yet."""
    link = path.with_name("replica-2.sock")
    with nginx(link):
        yield link


def reachable(path: Path) -> bool:
    """Whether a balancer gets a connection."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(path))
        except OSError:
            return False
    return True


def silent(path: Path, service: Service) -> FrontDoor:
    """An open door whose service has been silent once: at the next look it would shut."""
    door = FrontDoor(str(path), service)
    door.poll()
    service.alive = False
    door.poll()
    assert reachable(path)
    return door


def test_opens_when_the_service_answers(
    path: Path, service: Service, listener: socket.socket
) -> None:
    """Nobody comes in before the service behind the gateway has answered once."""
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
    """One silence changes nothing, two in a row send the balancer to the other replica."""
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
    """With no other replica, clients get this one's 503 rather than no connection."""
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
    """A link behind which nobody listens, or nothing is, does not let the last door shut."""
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
    """A gateway that looks while another is about to shut leaves its own door open."""
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
    """While another gateway has the folder the door stays as it is; a later look shuts it."""
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
    """After close() a service that answers does not open the door again."""
    door = FrontDoor(str(path), service)
    door.poll()
    door.close()
    assert not reachable(path)
    door.poll()
    assert not reachable(path)


def test_what_came_before_a_stop_is_accepted(
    path: Path, service: Service, listener: socket.socket
) -> None:
    """A connection made before close() is still in nginx's queue after it."""
    door = FrontDoor(str(path), service)
    door.poll()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        door.close()
        accepted, _ = listener.accept()
        accepted.close()


def test_what_a_killed_gateway_left_is_swept(path: Path, service: Service) -> None:
    """nginx can listen after a sweep, though its predecessor left link and socket behind."""
    for _ in range(2):
        door = FrontDoor(str(path), service)
        door.sweep()
        assert not door.is_open
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(f"{path}{SUFFIX}")
            door.poll()
        assert door.is_open


def test_without_a_door_nginx_listens_nowhere_else() -> None:
    """An empty setting adds no words to nginx's configuration, a path adds the socket behind it."""
    assert not any(template_values().values())
    values = template_values("/f/a.sock")
    assert values["WHARF_FRONT_DOOR"] == "listen unix:/f/a.sock.nginx proxy_protocol;"
    assert values.keys() == template_values().keys()


@pytest.mark.parametrize(("status", "alive"), [(200, True), (404, True), (503, False)])
def test_what_counts_as_an_answer(*, status: int, alive: bool) -> None:
    """A 5xx on liveness is no answer: nginx gives it when the service is gone."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.handle_request).start()
        assert answers(server.server_port) is alive


def test_nobody_there_is_no_answer() -> None:
    """A port on which nothing listens counts as a service that is gone."""
    port = free_port()
    assert not answers(port)
