"""The choice between the doors of several gateways."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from wharf_console import doors


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[str]:
    """Yield the path of a door with a listener."""
    path = str(tmp_path / "there.sock")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path)
        made.listen(64)
        yield path


def test_one_that_is_away_is_passed_over(tmp_path: Path, listener: str) -> None:
    """A door without a listener, or whose file does not exist, is skipped."""
    left = tmp_path / "left.sock"
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(left))
    setting = f"{tmp_path}/none.sock,{left}, unix:{listener}"
    for _ in range(20):
        with closing(doors.connect(setting)) as made:
            assert made.getpeername() == listener


def test_nobody_at_any(tmp_path: Path) -> None:
    """If no door has a listener, the error is a network error."""
    with pytest.raises(FileNotFoundError):
        doors.connect(f"{tmp_path}/one.sock,{tmp_path}/two.sock")


def test_a_port() -> None:
    """A gateway on another machine is reached by TCP."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with closing(doors.connect(f"127.0.0.1:{port}")) as made:
            assert made.getpeername() == ("127.0.0.1", port)


def test_every_gateway_gets_its_share(tmp_path: Path, listener: str) -> None:
    """Connections are distributed over all doors."""
    other = str(tmp_path / "other.sock")
    with socket.socket(socket.AF_UNIX) as second:
        second.bind(other)
        second.listen(64)
        seen = set()
        for _ in range(60):
            with closing(doors.connect(f"{listener},{other}")) as made:
                seen.add(made.getpeername())
    assert seen == {listener, other}


@pytest.mark.parametrize(
    "wrong", ["", "door", "gateway", ":8086", "gateway:http", "/a.sock,", "x,/a"]
)
def test_what_is_no_door(wrong: str) -> None:
    """A setting other than paths, and hosts with ports, is refused."""
    with pytest.raises(ValueError, match=r".*"):
        doors.split(wrong)
