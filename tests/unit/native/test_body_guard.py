"""The guard over request bodies, beside what the end-to-end tests see of it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from wharf_native import connections, foreign_sockets
from wharf_native.body_guard import BodyGuard
from wharf_native.connections import Connection


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The moments at which the kernel was asked for connections; time goes on by 100 s each."""
    moments: list[int] = []
    received = [0]

    def established(_: int) -> list[Connection]:
        moments.append(len(moments))
        received[0] += 1
        return [Connection(1, 5, "192.0.2.7", received[0], 0)]

    now = iter(range(0, 10_000, 100))
    monkeypatch.setattr(connections, "established", established)
    monkeypatch.setattr(foreign_sockets, "duplicate", lambda *_: 0)
    monkeypatch.setattr(foreign_sockets, "children", lambda _: [])
    monkeypatch.setattr(os, "close", lambda _: None)
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    return moments


def guard(tmp_path: Path, **environ: str) -> BodyGuard:
    """A guard over a gateway that is not there."""
    return BodyGuard(lambda: [1], 80, environ, str(tmp_path / "gateway.prom"))


def test_a_refusal_by_the_kernel_is_said_once(
    tmp_path: Path,
    asked: list[int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Where sockets of others may not be touched, one line says so and nothing is looked at."""

    def refused(*_: int) -> int:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(foreign_sockets, "duplicate", refused)
    own = guard(tmp_path)
    own.check()
    asked.clear()
    for _ in range(5):
        own.poll()
    assert asked == []
    assert capsys.readouterr().out.count("slow request bodies are not cut") == 1


def test_a_floor_of_zero_switches_it_off(tmp_path: Path, asked: list[int]) -> None:
    """The kernel is asked for nothing."""
    own = guard(tmp_path, WHARF_BODY_MIN_BYTES_PER_SECOND="0")
    own.check()
    own.poll()
    assert asked == []


def test_a_cut_is_said_and_counted(
    tmp_path: Path,
    asked: list[int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The line has the address, the file of metrics the number."""
    monkeypatch.setattr(foreign_sockets, "end_reading", lambda *_: 1)
    own = guard(tmp_path)
    for _ in range(4):
        own.poll()
    assert asked
    assert "from 192.0.2.7" in capsys.readouterr().out
    assert "cut_total 1\n" in (tmp_path / "gateway.prom").read_text()


def test_a_failed_look_does_not_end_the_supervisor(
    tmp_path: Path,
    asked: list[int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A gateway that ends in the middle of a cut, or a kernel without memory, is no crash."""

    def gone(*_: object) -> int:
        raise ProcessLookupError(3, "No such process")

    monkeypatch.setattr(foreign_sockets, "end_reading", gone)
    own = guard(tmp_path)
    for _ in range(6):
        own.poll()
    assert len(asked) == 6
    assert "No such process" in capsys.readouterr().out


@pytest.mark.parametrize(("workers", "most"), [("3", 6144), ("auto", 2048 * (os.cpu_count() or 1))])
def test_the_limit_of_connections_is_told(tmp_path: Path, workers: str, most: int) -> None:
    """What nginx's workers may have together stands beside what was cut, before anything is cut."""
    guard(tmp_path, WHARF_NGINX_WORKERS=workers)
    text = (tmp_path / "gateway.prom").read_text()
    assert (
        f"# TYPE wharf_nginx_connections_limit gauge\nwharf_nginx_connections_limit {most}\n"
        in text
    )
