"""Notices from a sender to listeners, over a unix socket and over a real Redis."""

from __future__ import annotations

import socket
import stat
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.servers.notices import Listener
from tests.servers.redis import RedisServer
from wharf_upload.notices import listener, sender, transports
from wharf_upload.notices.messages import Changed, Notice, Progress, frames, read_frame
from wharf_upload.notices.places import socket_path, socket_place
from wharf_upload.notices.sender import Sender
from wharf_upload.notices.transports import transport_to

PROGRESS = Progress(
    tenant="demo",
    owner="client-1",
    upload="u1",
    bucket="default",
    key="收件箱/a",
    offset=5 << 20,
    length=None,
    rate=1 << 20,
)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let idle threads end immediately and make retries fast."""
    monkeypatch.setattr(sender, "_IDLE_SECONDS", 0.0)
    monkeypatch.setattr(transports, "_AWAY_SECONDS", 0.05)
    monkeypatch.setattr(listener, "_AGAIN_SECONDS", 0.05)
    monkeypatch.setattr(listener, "_LOOK_SECONDS", 0.05)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield a folder with a short path, because the path of a socket has a limit."""
    with TemporaryDirectory(prefix="notices-") as name:
        yield Path(name)


@pytest.fixture(params=["datagrams", "redis"])
def place(request: pytest.FixtureRequest, folder: Path) -> str:
    """Return a place of notices of each kind."""
    if request.param == "redis":
        return str(request.getfixturevalue("redis_url"))
    return socket_place(folder / "notices.sock")


def open_sender(place: str) -> Sender:
    return Sender(lambda: transport_to(place))


def ended(told: Sender) -> None:
    """Wait until the sender has sent everything."""
    if told._thread is not None:
        told._thread.join(20)


def test_notices_arrive_as_they_were_told(place: str) -> None:
    """A listener receives each notice with all its fields."""
    told = open_sender(place)
    with Listener(place) as heard:
        heard.await_changed(told.changed, "first")
        told.progress(PROGRESS)
        before = heard.until(PROGRESS)
        told.changed("demo")
        before += heard.until(Changed("demo"))
        # The first tenant was sent until the listener received it, maybe several times.
        assert set(before) <= {Changed("first")}
    ended(told)


def test_many_tenants_arrive(place: str) -> None:
    """When a thousand tenants change ten times each, a listener receives at least one notice of
    each tenant.
    """
    told = open_sender(place)
    names = [f"tenant-{number}" for number in range(1000)]
    with Listener(place) as heard:
        heard.await_changed(told.changed, "first")
        for _ in range(10):
            for name in names:
                told.changed(name)
        missing: set[Notice] = set(map(Changed, names))
        while missing:
            missing.discard(heard.next())
    ended(told)


def test_nothing_ends_the_listening(place: str) -> None:
    """A listener skips unreadable frames and continues after its receiver raises an error."""

    def fails(notice: Notice) -> None:
        if notice == Changed("bad"):
            raise ValueError("this tenant")

    told = open_sender(place)
    way = transport_to(place)
    with Listener(place, fails) as heard:
        heard.await_changed(told.changed, "first")
        way.send(b'[{"type": "of a newer release"}]')
        way.send(b"\x00" * 1000)
        told.changed("bad")
        heard.await_changed(told.changed, "last")
    way.close()
    ended(told)


def test_without_a_listener_nobody_waits(place: str) -> None:
    """A notice without a listener is dropped without waiting, and a later
    listener receives later notices.
    """
    told = open_sender(place)
    told.changed("early")
    told.progress(PROGRESS)
    ended(told)
    with Listener(place) as heard:
        heard.await_changed(told.changed, "late")
    told.changed("nobody")
    ended(told)


# ---- the socket ----


@pytest.fixture
def path(folder: Path) -> Path:
    return folder / "notices.sock"


def test_the_socket_is_its_owners_alone(path: Path) -> None:
    """Only the owner can write to the socket, and the folder has no other file."""
    place = socket_place(path)
    with Listener(place) as heard:
        heard.await_changed(open_sender(place).changed, "first")
        found = path.stat()
        assert stat.S_ISSOCK(found.st_mode)
        assert stat.S_IMODE(found.st_mode) == 0o600
        assert [one.name for one in path.parent.iterdir()] == ["notices.sock"]


def test_a_successor_takes_the_socket_over(path: Path) -> None:
    """A newer process takes over the socket, and the end of the older process changes nothing."""
    place = socket_place(path)
    told = open_sender(place)
    with ExitStack() as newer_ends, ExitStack() as older_ends:
        older = older_ends.enter_context(Listener(place))
        older.await_changed(told.changed, "older")
        newer = newer_ends.enter_context(Listener(place))
        newer.await_changed(told.changed, "newer")
        inode = path.stat().st_ino
        older_ends.close()
        newer.await_changed(told.changed, "alone")
        assert path.stat().st_ino == inode
    ended(told)


def test_a_socket_that_nobody_has_is_taken_back(path: Path) -> None:
    """A process takes its socket back when its successor has ended or the file was removed."""
    place = socket_place(path)
    told = open_sender(place)
    with Listener(place) as older:
        older.await_changed(told.changed, "first")
        with Listener(place) as newer:
            newer.await_changed(told.changed, "newer")
        older.await_changed(told.changed, "older")
        path.unlink()
        older.await_changed(told.changed, "again")
    ended(told)


def test_a_slow_listener_is_told_later(path: Path) -> None:
    """While the listener's buffer is full, the sender keeps new notices. The
    listener gets them later.
    """
    told = open_sender(socket_place(path))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as slow:
        slow.bind(str(path))
        slow.settimeout(20)
        (filling,) = frames([Changed("filling")])
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as flood:
            flood.setblocking(False)
            with suppress(BlockingIOError):
                while True:
                    flood.sendto(filling, str(path))
        told.changed("last")
        while read_frame(slow.recv(65536)) != [Changed("last")]:
            pass
    ended(told)


def test_a_path_that_is_too_long_harms_nobody(tmp_path: Path) -> None:
    """Neither the sender nor the listener fails when the path is too long for a socket."""
    place = socket_place(tmp_path / ("long" * 30) / "notices.sock")
    assert socket_path(place) is not None
    told = open_sender(place)
    with Listener(place) as heard:
        told.changed("demo")
        ended(told)
    assert heard.received.empty()


# ---- Redis ----


def test_all_replicas_hear(redis_url: str) -> None:
    """Every process on one Redis receives each notice."""
    told = open_sender(redis_url)
    with Listener(redis_url) as one, Listener(redis_url) as other:
        one.await_changed(told.changed, "one")
        other.await_changed(told.changed, "other")
        told.changed("both")
        one.until(Changed("both"))
        other.until(Changed("both"))
    ended(told)


def test_an_outage_of_redis_ends(redis_server: RedisServer) -> None:
    """Sender and listener reconnect after an outage of Redis, and no caller
    waits during the outage.
    """
    told = open_sender(redis_server.url)
    with Listener(redis_server.url) as heard:
        heard.await_changed(told.changed, "before")
        redis_server.stop()
        try:
            for _ in range(1000):
                told.changed("meanwhile")
        finally:
            redis_server.start()
        heard.await_changed(told.changed, "after")
    ended(told)
