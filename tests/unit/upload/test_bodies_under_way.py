"""Bytes of bodies under way that are on the disk do not count twice."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from servicekit.database import open_database
from servicekit.fetching import FetchError
from tests.servers.upload import UploadService
from wharf_upload import bootstrap
from wharf_upload.database.reservations import SqlReservations
from wharf_upload.domain.reservation import Needed
from wharf_upload.folders import UNDER_WAY
from wharf_upload.maintenance.bodies_under_way import BodiesUnderWay

MIB = 1 << 20


class Gateway:
    """A gateway's spool, and what is reserved for its bodies."""

    def __init__(self, folder: Path) -> None:
        self.spool = folder / "spool"
        self.spool.mkdir()
        self.database = open_database(f"sqlite:///{folder / 'room.db'}", durable=False)
        self.reservations = SqlReservations(self.database, instance="native", disk="")
        self.streamed = 0
        self.late_ends = 0
        self._bodies = BodiesUnderWay(
            self.reservations, self.spool, lambda: self.streamed, self._end_late
        )
        self._bodies.look()

    def _end_late(self) -> None:
        self.late_ends += 1

    def admit(self) -> str:
        """Reserve a MiB."""
        needed = Needed(disk_bytes=MIB, quota_bytes=MIB)
        return self.reservations.reserve("demo", "", lambda _: needed).id

    def spools(self, name: str, size: int) -> Path:
        """So much of a body has come."""
        path = self.spool / name
        path.write_bytes(b"x" * size)
        os.sync()
        return path

    def looks(self, times: int = 2) -> int:
        """Look at the files; return the bytes that are outstanding afterwards."""
        for _ in range(times):
            self._bodies.look()
        return self.reservations.reserved().outstanding_bytes


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    """A gateway that has just started."""
    found = Gateway(tmp_path)
    yield found
    found.database.close()


def test_what_has_come(gateway: Gateway) -> None:
    """Bytes that lie in the spool at two looks are not outstanding any more."""
    gateway.admit()
    gateway.looks()
    gateway.spools("1", 65_536)
    assert gateway.looks(1) == MIB
    assert gateway.looks(1) == MIB - 65_536
    gateway.streamed = 4096
    assert gateway.looks(1) == MIB - 65_536 - 4096


def test_a_body_that_ends(gateway: Gateway) -> None:
    """The file of a body that has ended makes no room for the next one."""
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
    """A file that is being stored counts in full, and one of a killed gateway makes no room."""
    path = gateway.spools("1", 65_536)
    if kind == "stored":
        gateway.admit()
        os.link(path, gateway.spool.parent / "staged")
    else:
        os.utime(path, (0, 0))
        gateway.admit()
    assert gateway.looks(3) == MIB


def test_nothing_under_way(gateway: Gateway) -> None:
    """Without a body under way nobody looks at files, and nothing is outstanding."""
    gateway.spools("1", 65_536)
    assert gateway.looks() == 0
    assert gateway.reservations.reserved().written_bytes == 0


@pytest.mark.parametrize("answers", [False, True])
def test_a_gateway_that_starts(
    upload: UploadService, monkeypatch: pytest.MonkeyPatch, *, answers: bool
) -> None:
    """Where no gateway answers nothing is under way, and no file of an earlier start is opened."""

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
