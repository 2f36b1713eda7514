"""Output and metrics of the guard over the gateway's connections."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from socket_guard import connections, foreign_sockets
from socket_guard.connections import Connection
from wharf_gateway.connection_guard import ConnectionGuard
from wharf_gateway.metrics_file import MetricsFile


def guard(tmp_path: Path, **environ: str) -> ConnectionGuard:
    """Return a guard over a gateway that does not exist."""
    return ConnectionGuard(
        lambda: [1], [80], environ, MetricsFile(str(tmp_path / "gateway.prom")), ""
    )


def test_cuts_are_counted_in_the_file_of_metrics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file of metrics counts all cuts, and the output has a line for each check with a cut."""
    received, now = iter(range(100)), iter(range(0, 10_000, 100))
    monkeypatch.setattr(
        connections, "established", lambda _: [Connection(1, 5, "192.0.2.7", next(received), 0)]
    )
    monkeypatch.setattr(foreign_sockets, "children", lambda _: [])
    monkeypatch.setattr(foreign_sockets, "end", lambda *_: 2)
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    monkeypatch.setattr(connections, "all_sockets", lambda: 0)
    own = guard(tmp_path, WHARF_BODY_MIN_BYTES_PER_SECOND="7")
    for cuts in (1, 2):
        for _ in range(3 + cuts // 2):
            own.poll()
        assert f"cut_total {2 * cuts}\n" in (tmp_path / "gateway.prom").read_text()
    line = "wharf: cut 2 requests that sent less than 7 bytes per second, from 192.0.2.7\n"
    assert capsys.readouterr().out == 2 * line


@pytest.mark.parametrize(
    ("workers", "most"), [("3", 24576), ("auto", 8192 * (os.cpu_count() or 1))]
)
def test_the_limit_of_connections_is_told(tmp_path: Path, workers: str, most: int) -> None:
    """From the start the metrics contain the limit of connections of all workers together."""
    guard(tmp_path, WHARF_NGINX_WORKERS=workers)
    text = (tmp_path / "gateway.prom").read_text()
    assert (
        f"# TYPE wharf_nginx_connections_limit gauge\nwharf_nginx_connections_limit {most}\n"
        in text
    )


def test_the_operator_is_told_of_a_settings_old_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A setting's old name is reported once at startup."""
    guard(tmp_path, WHARF_PROXY_ADDRESSES="192.0.2.7").check()
    guard(tmp_path, WHARF_TRUSTED_PROXIES="192.0.2.7").check()
    assert capsys.readouterr().out.count("set WHARF_TRUSTED_PROXIES instead") == 1
