"""Tests that bytes which a body has already written to the disk are not counted twice."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from servicekit.database import DatabaseUnavailable, open_database
from servicekit.fetching import FetchError
from tests.servers.rounds import Rounds
from tests.servers.upload import UploadService
from wharf_upload import bootstrap
from wharf_upload.database.reservations import SqlReservations
from wharf_upload.domain.reservation import Needed
from wharf_upload.folders import UNDER_WAY
from wharf_upload.maintenance import bodies_under_way
from wharf_upload.maintenance.bodies_under_way import BodiesUnderWay

MIB = 1 << 20


class Gateway:
    """A gateway's spool, and the reservations of its bodies."""

    def __init__(self, folder: Path) -> None:
        self.spool = folder / "spool"
        self.spool.mkdir()
        self.database = open_database(f"sqlite:///{folder / 'room.db'}", durable=False)
        self.ahead = 0.0
        self.reservations = SqlReservations(
            self.database,
            instance="native",
            disk="",
            clock=lambda: time.time() + self.ahead,
        )
        self.streamed = 0
        self.late_ends = 0
        self.trouble: list[Exception] = []
        self.begin_again()
        self.bodies.look()

    def begin_again(self) -> None:
        """Restart the process that measures the bodies."""
        self.bodies = BodiesUnderWay(
            self.reservations, self.spool, lambda: self.streamed, self._end_late
        )

    def _end_late(self) -> None:
        self.late_ends += 1
        if self.trouble:
            raise self.trouble.pop()

    def admit(self, *, streamed: bool = False) -> str:
        """Reserve 1 MiB and return the id of the reservation."""
        needed = Needed(disk_bytes=MIB, quota_bytes=MIB, inodes=1)
        return self.reservations.reserve("demo", "", lambda _: needed, streamed=streamed).id

    def spools(self, name: str, size: int) -> Path:
        """Write a spool file with `size` bytes of a body."""
        path = self.spool / name
        path.write_bytes(b"x" * size)
        os.sync()
        return path

    def looks(self, times: int = 2) -> int:
        """Measure the files `times` times, and return the outstanding bytes."""
        for _ in range(times):
            self.bodies.look()
        return self.reservations.reserved().outstanding_bytes


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    """Yield a gateway that has just started."""
    found = Gateway(tmp_path)
    yield found
    found.database.close()


def test_what_has_come(gateway: Gateway) -> None:
    """Bytes that two measurements found in the spool, and streamed bytes, are not outstanding."""
    gateway.admit()
    gateway.looks()
    gateway.spools("1", 65_536)
    assert gateway.looks(1) == MIB
    assert gateway.looks(1) == MIB - 65_536
    gateway.streamed = 4096
    assert gateway.looks(1) == MIB - 65_536 - 4096
    assert gateway.reservations.reserved().written_inodes == 1


def test_what_is_really_there(gateway: Gateway) -> None:
    """Only the bytes of a file count, and not whole disk blocks, holes or the targets of symbolic
    links.
    """
    gateway.admit()
    gateway.looks()
    gateway.spools("1", 10)
    assert gateway.looks() == MIB - 10
    hole = gateway.spools("2", 0)
    os.truncate(hole, MIB)
    gateway.spools("../outside", 65_536)
    (gateway.spool / "3").symlink_to(gateway.spool.parent / "outside")
    # The symbolic link may use some bytes, but its target does not belong to a body.
    assert MIB - 1000 < gateway.looks() <= MIB - 10


def test_a_process_that_is_started_again(gateway: Gateway) -> None:
    """After a restart, the bytes of a body under way count as written after a few measurements."""
    gateway.admit()
    gateway.spools("1", 65_536)
    gateway.begin_again()
    assert gateway.looks(3) == MIB - 65_536


def test_a_body_that_ends(gateway: Gateway) -> None:
    """The spool file of an ended body does not reduce the outstanding bytes of the next body."""
    first = gateway.admit()
    gateway.looks()
    path = gateway.spools("1", 65_536)
    gateway.admit()
    gateway.looks()
    gateway.reservations.end([first])
    assert gateway.reservations.reserved().outstanding_bytes == MIB
    assert gateway.looks(1) == MIB
    path.unlink()
    assert gateway.looks() == MIB


@pytest.mark.parametrize("kind", ["stored", "left"])
def test_files_that_are_nobody_s_room(gateway: Gateway, kind: str) -> None:
    """A file that is being stored, or that a killed gateway left, reduces no outstanding bytes."""
    path = gateway.spools("1", 65_536)
    if kind == "stored":
        gateway.admit()
        os.link(path, gateway.spool.parent / "staged")
    else:
        os.utime(path, (0, 0))
        gateway.admit()
    assert gateway.looks(3) == MIB


def test_nothing_under_way(gateway: Gateway) -> None:
    """Without a body under way the files are not measured, and nothing is outstanding."""
    gateway.spools("1", 65_536)
    assert gateway.looks() == 0
    assert gateway.reservations.reserved().written_bytes == 0


def test_each_second(gateway: Gateway) -> None:
    """The loop measures once a second until it is stopped, even after a failure."""
    gateway.trouble = [OSError(5, "Input/output error"), DatabaseUnavailable("away")]
    stop, before = Rounds(3), gateway.late_ends
    gateway.bodies.run(stop)
    assert stop.pauses == [1.0] * 4
    assert gateway.late_ends - before == 3


def test_bodies_that_never_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Once a minute the loop releases the reservations of bodies whose time is over."""
    now = 1000.0
    monkeypatch.setattr(bodies_under_way, "time", SimpleNamespace(monotonic=lambda: now))
    gateway = Gateway(tmp_path)
    for _ in range(2):
        gateway.admit()
        gateway.ahead += 7200
        for seconds, bodies in ((59, 1), (1, 0)):
            now += seconds
            gateway.looks(1)
            assert (now, gateway.reservations.reserved().bodies) == (now, bodies)
    gateway.database.close()
    assert caplog.messages == ["1 reservations have expired: their bodies never ended"] * 2


def test_streams_of_a_process_that_was_killed(gateway: Gateway) -> None:
    """A new process releases the streams of a killed process, but not the bodies of nginx."""
    gateway.admit()
    gateway.admit(streamed=True)
    gateway.bodies.begin()
    assert gateway.reservations.reserved().bodies == 1


def test_a_start_without_the_database(gateway: Gateway) -> None:
    """A process starts even if the database does not respond to the removal of old streams."""
    asked: list[bool] = []

    class Away:
        """Reservations that cannot be reached."""

        def clear(self, *, streamed: bool) -> int:
            asked.append(streamed)
            raise DatabaseUnavailable("away")

    away: Any = Away()
    BodiesUnderWay(away, gateway.spool, lambda: 0, lambda: None).begin()
    assert asked == [True]


@pytest.mark.parametrize("answers", [False, True])
def test_a_gateway_that_starts(
    upload: UploadService, monkeypatch: pytest.MonkeyPatch, *, answers: bool
) -> None:
    """If no gateway responds at startup, all reservations end.

    Files that earlier starts have left are removed.
    """

    def fetch(_url: str, _most: int) -> bytes:
        if not answers:
            raise FetchError("connection refused")
        return b"Active connections: 1"

    monkeypatch.setattr(bootstrap, "fetch", fetch)
    reservations = upload.context.reservations
    needed = Needed(disk_bytes=MIB, quota_bytes=MIB)
    reservations.reserve("demo", "", lambda _: needed)
    old = upload.settings.under_way_file.with_name(f"{UNDER_WAY}of-old.db")
    old.write_bytes(b"damaged by a power cut")
    bootstrap.forget_bodies(upload.settings)
    assert reservations.reserved().bodies == int(answers)
    assert not old.exists()
    assert upload.settings.under_way_file.exists()
