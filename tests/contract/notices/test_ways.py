"""Both ways of notices, a unix socket and a real Redis: from a sender to listeners."""

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
    """Threads without work end at once, and what failed is tried again soon."""
    monkeypatch.setattr(sender, "_IDLE_SECONDS", 0.0)
    monkeypatch.setattr(transports, "_AWAY_SECONDS", 0.05)
    monkeypatch.setattr(listener, "_AGAIN_SECONDS", 0.05)
    monkeypatch.setattr(listener, "_LOOK_SECONDS", 0.05)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short name, as sockets need it."""
    with TemporaryDirectory(prefix="notices-") as name:
        yield Path(name)


@pytest.fixture(params=["datagrams", "redis"])
def place(request: pytest.FixtureRequest, folder: Path) -> str:
    """A place of either kind."""
    if request.param == "redis":
        return str(request.getfixturevalue("redis_url"))
    return socket_place(folder / "notices.sock")


def open_sender(place: str) -> Sender:
    return Sender(lambda: transport_to(place))


def ended(told: Sender) -> None:
    """Waits until all is sent."""
    if told._thread is not None:
        told._thread.join(20)


def test_notices_arrive_as_they_were_told(place: str) -> None:
    """The listener gets each with all that it says."""
    told = open_sender(place)
    with Listener(place) as heard:
        heard.await_changed(told.changed, "first")
        told.progress(PROGRESS)
        before = heard.until(PROGRESS)
        told.changed("demo")
        before += heard.until(Changed("demo"))
        # Of the first tenant it was told until it was heard, maybe several times.
        assert set(before) <= {Changed("first")}
    ended(told)


def test_many_tenants_arrive(place: str) -> None:
    """Of ten thousand changes of a thousand tenants, each tenant is heard."""
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
    """Frames that cannot be read are passed over, and so is a failure of who receives."""

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
    """What is told to nobody is forgotten; a listener that comes later hears what is told then."""
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
    """Other users of the machine can tell nothing; nothing else lies beside it."""
    place = socket_place(path)
    with Listener(place) as heard:
        heard.await_changed(open_sender(place).changed, "first")
        found = path.stat()
        assert stat.S_ISSOCK(found.st_mode)
        assert stat.S_IMODE(found.st_mode) == 0o600
        assert [one.name for one in path.parent.iterdir()] == ["notices.sock"]


def test_a_successor_takes_the_socket_over(path: Path) -> None:
    """While two processes overlap the newer one hears, and the end of the older changes nothing."""
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
    """A process whose successor did not stay hears again, also when somebody removed the file."""
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
    """While its buffer is full the tenants stay noted: what was told last arrives."""
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
    """Neither who tells nor who listens fails where no socket can be."""
    place = socket_place(tmp_path / ("long" * 30) / "notices.sock")
    assert socket_path(place) is not None
    told = open_sender(place)
    with Listener(place) as heard:
        told.changed("demo")
        ended(told)
    assert heard.received.empty()


# ---- Redis ----


def test_all_replicas_hear(redis_url: str) -> None:
    """Each live process on one Redis hears all."""
    told = open_sender(redis_url)
    with Listener(redis_url) as one, Listener(redis_url) as other:
        one.await_changed(told.changed, "one")
        other.await_changed(told.changed, "other")
        told.changed("both")
        one.until(Changed("both"))
        other.until(Changed("both"))
    ended(told)


def test_an_outage_of_redis_ends(redis_server: RedisServer) -> None:
    """Sender and listener come back by themselves, and nobody waited meanwhile."""
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
