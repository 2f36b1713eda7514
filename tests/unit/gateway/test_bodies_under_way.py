"""The file in which nginx reports request bodies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from socket_guard.announced import UNKNOWN
from wharf_gateway import bodies_under_way
from wharf_gateway.bodies_under_way import BodiesUnderWay

HERE = os.getpid()


def begin(name: str, peer: str = "192.0.2.1", length: str = "100", worker: int = HERE) -> str:
    return f"begin\t{name}\t{worker}\t{peer}\t4711\t{length}\n"


class Told:
    """A file to which nginx writes lines, and the reader of the file."""

    def __init__(self, folder: Path) -> None:
        self.path, self.reopened = folder / "bodies.tsv", 0
        self.bodies = BodiesUnderWay(str(self.path), self._reopen)

    def _reopen(self) -> None:
        self.reopened += 1

    def write(self, *lines: str) -> None:
        with self.path.open("a") as file:
            file.writelines(lines)


@pytest.fixture
def told(tmp_path: Path) -> Told:
    return Told(tmp_path)


def test_begins_and_ends(told: Told) -> None:
    """A body is under way from its line `begin` to its line `end`; lines may arrive in parts."""
    assert told.bodies.read() == {}
    told.write(begin("a"), begin("b", length="-"), "end\tc\n", "en")
    assert told.bodies.read() == {("192.0.2.1", 4711): {"a": 100, "b": UNKNOWN}}
    told.write("d\ta\n")
    assert told.bodies.read() == {("192.0.2.1", 4711): {"b": UNKNOWN}}


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:0:0:1::1", "2001:db8::1:0:0:1"),
        ("2001:db8::1", "2001:db8::1"),
    ],
)
def test_addresses_are_the_kernels(told: Told, said: str, meant: str) -> None:
    """The address of a body has the form of the kernel's table, whichever form nginx writes."""
    told.write(begin("a", peer=said))
    assert list(told.bodies.read()) == [(meant, 4711)]


def test_a_balancers_socket_is_passed_over(told: Told) -> None:
    """A connection over a unix socket has no port and is ignored, like malformed lines."""
    told.write(f"begin\ta\t{HERE}\tunix:\t\t5\n", "begin\n", "\n", "more\tx\n")
    assert told.bodies.read() == {}


def test_a_killed_worker_has_no_bodies(told: Told) -> None:
    """If a worker is killed, its bodies are removed, because the worker writes no line `end`."""
    told.write(begin("a", worker=2**22 + 1), begin("b"))
    assert told.bodies.read() == {("192.0.2.1", 4711): {"b": 100}}


def test_the_file_does_not_grow_for_ever(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large file is replaced, and lines that nginx still writes to the old file are read."""
    monkeypatch.setattr(bodies_under_way, "_LARGEST_BYTES", 50)
    told.write(begin("a"), begin("b"), begin("c"))
    assert told.bodies.read()
    assert told.reopened == 1
    old = told.path.with_name("bodies.tsv.old")
    with old.open("a") as file:
        file.write("end\ta\n")
    told.write(begin("d"))
    assert told.bodies.read() == {("192.0.2.1", 4711): {"b": 100, "c": 100, "d": 100}}
    assert not old.exists()
