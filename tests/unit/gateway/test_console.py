"""The gateway's settings about the console."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wharf_gateway.container import Gateway
from wharf_gateway.nginx import render_configuration
from wharf_gateway.terminal import CannotRunError

ROOT = Path(__file__).resolve().parents[3]


def gateway(**environ: str) -> Gateway:
    """Return a gateway with these settings, without starting it."""
    return Gateway({"WHARF_DATA": "/data", "PATH": os.environ["PATH"], **environ}, root=str(ROOT))


def test_without_a_console(tmp_path: Path) -> None:
    """Without a console the gateway has no path, port or socket for one."""
    made = gateway()
    assert made.own_sockets == []
    assert made.socket_folders == ["/run/wharf/upload", "/run/wharf/auth"]
    render_configuration(str(ROOT), str(tmp_path), made.values)
    used = [
        tmp_path / name for name in ("nginx.conf", "conf.d/public.conf", "conf.d/internal.conf")
    ]
    assert not any("console" in line for path in used for line in path.read_text().splitlines())


@pytest.mark.parametrize(
    ("console", "door", "server", "folders", "trusts"),
    [
        (
            "/run/wharf/console/console.sock",
            "/run/wharf/console/door.sock",
            "unix:/run/wharf/console/console.sock",
            ["/run/wharf/console"],
            "set_real_ip_from unix:;",
        ),
        ("wharf-console:3033", "0.0.0.0:8086", "wharf-console:3033", [], "0.0.0.0/0"),
        ("[fd00::1]:3033", "[::]:8086", "[fd00::1]:3033", [], "::/0"),
    ],
)
def test_a_console_at_a_socket_or_a_port(
    console: str, door: str, server: str, folders: list[str], trusts: str
) -> None:
    """A console's socket adds its folder to the folders of sockets; a console at a port adds none.

    The console's door trusts PROXY lines from its socket, or from any address at its port.
    """
    made = gateway(WHARF_CONSOLE_SOCKET=console, WHARF_CONSOLE_DOOR=door)
    assert made.values["WHARF_CONSOLE_SOCKET"] == server
    assert made.values["WHARF_CONSOLE_STATIC"] == f"{ROOT}/console"
    assert made.socket_folders[2:] == folders
    assert trusts in made.values["WHARF_CONSOLE_DOOR_TRUST"]
    assert made.own_sockets == ([door] if door.startswith("/") else [])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WHARF_CONSOLE_SOCKET", "console"),
        ("WHARF_CONSOLE_SOCKET", "console:3033; } http {"),
        ("WHARF_CONSOLE_DOOR", "console.sock"),
        ("WHARF_CONSOLE_DOOR", "8086"),
        # A host name would be resolved, and could be another machine's address.
        ("WHARF_CONSOLE_DOOR", "gateway:8086"),
        ("WHARF_CONSOLE_DOOR", "/run/$host"),
        ("WHARF_CONSOLE_DOOR", "0.0.0.0:8086 default_server"),
    ],
)
def test_what_is_no_address_is_refused(name: str, value: str) -> None:
    """A malformed address is refused, and the message has the variable and the value."""
    with pytest.raises(CannotRunError) as refused:
        gateway(**{name: value})
    assert str(refused.value).startswith(f"{name}={value!r}")


def test_an_address_waits_for_pages_sooner_than_for_files() -> None:
    """The limits for console pages are computed from the limits of addresses, like login limits."""
    values = gateway(WHARF_ADDRESS_REQUESTS_PER_SECOND="50").values
    assert values["WHARF_ADDRESS_CONSOLE_PER_SECOND"] == "5"
    assert values["WHARF_ADDRESS_CONSOLE_WAITING"] == "400"
    assert values["WHARF_ADDRESS_CONSOLE_WAITING_AT_ONCE"] == "50"


@pytest.mark.parametrize(
    ("door", "name"), [("[::]:8080", "PORT"), ("0.0.0.0:8081", "METRICS_PORT")]
)
def test_a_door_for_others_too(door: str, name: str) -> None:
    """The console's door is refused at another door's port, because it trusts PROXY lines."""
    with pytest.raises(CannotRunError, match=rf"WHARF_CONSOLE_DOOR.*: WHARF_{name} uses this"):
        gateway(WHARF_CONSOLE_DOOR=door)
