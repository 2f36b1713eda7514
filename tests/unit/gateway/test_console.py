"""What the gateway's container is told of the console."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wharf_gateway.container import Gateway
from wharf_gateway.nginx import render_configuration
from wharf_gateway.terminal import CannotRunError

ROOT = Path(__file__).resolve().parents[3]


def gateway(**environ: str) -> Gateway:
    """One with these settings; nothing of it runs."""
    return Gateway({"WHARF_DATA": "/data", "PATH": os.environ["PATH"], **environ}, root=str(ROOT))


def test_without_a_console(tmp_path: Path) -> None:
    """A gateway that is told of no console has no address, no port and no socket for one."""
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
    """The console's sockets are kept like those of the others; at a port there are none.

    Whoever comes by the door is believed, by the socket or by the port and by nothing else.
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
        # A name would be looked up to listen on it, and may be somebody else's address.
        ("WHARF_CONSOLE_DOOR", "gateway:8086"),
        ("WHARF_CONSOLE_DOOR", "/run/$host"),
        ("WHARF_CONSOLE_DOOR", "0.0.0.0:8086 default_server"),
    ],
)
def test_what_is_no_address_is_refused(name: str, value: str) -> None:
    """The line names the variable and its value."""
    with pytest.raises(CannotRunError) as refused:
        gateway(**{name: value})
    assert str(refused.value).startswith(f"{name}={value!r}")


def test_an_address_waits_for_pages_sooner_than_for_files() -> None:
    """What is not set follows from the limits of addresses, as those of logins do."""
    values = gateway(WHARF_ADDRESS_REQUESTS_PER_SECOND="50").values
    assert values["WHARF_ADDRESS_CONSOLE_PER_SECOND"] == "5"
    assert values["WHARF_ADDRESS_CONSOLE_WAITING"] == "400"
    assert values["WHARF_ADDRESS_CONSOLE_WAITING_AT_ONCE"] == "50"


@pytest.mark.parametrize(
    ("door", "name"), [("[::]:8080", "PORT"), ("0.0.0.0:8081", "METRICS_PORT")]
)
def test_a_door_for_others_too(door: str, name: str) -> None:
    """The console's door at a port of others, whose PROXY lines would be believed, is refused."""
    with pytest.raises(CannotRunError, match=rf"WHARF_CONSOLE_DOOR.*: WHARF_{name} uses this"):
        gateway(WHARF_CONSOLE_DOOR=door)
