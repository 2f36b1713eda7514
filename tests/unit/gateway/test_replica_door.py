"""The replica door: its address, the proxies that it trusts, and other gateways' addresses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.gateway.test_console import ROOT, gateway
from wharf_gateway import replica_door
from wharf_gateway.nginx import render_configuration
from wharf_gateway.terminal import CannotRunError


def test_without_a_door(tmp_path: Path) -> None:
    """With a shared folder nginx neither listens for other gateways nor sends them requests."""
    render_configuration(str(ROOT), str(tmp_path), gateway().values)
    used = [
        tmp_path / name
        for name in (
            *("nginx.conf", "conf.d/public.conf", "snippets/resumable_locations.conf"),
            "snippets/admission_locations.conf",
        )
    ]
    for word in ("replica", "passed_on", "passing_on", "WHARF_PASSED_ON", "resolver"):
        assert not any(word in path.read_text() for path in used), word


@pytest.mark.parametrize(
    ("door", "listens", "trusts"),
    [
        ("0.0.0.0:8089", "0.0.0.0:8089", "0.0.0.0/0"),
        ("[::]:8089", "[::]:8089", "::/0"),
        ("/run/wharf/door.sock", "unix:/run/wharf/door.sock", "set_real_ip_from unix:;"),
    ],
)
def test_a_door(door: str, listens: str, trusts: str) -> None:
    """The door is a port or a socket; a socket is then one of the gateway's own sockets."""
    made = gateway(WHARF_REPLICA_DOOR=door, WHARF_DATA_SHARED="false")
    assert made.values["WHARF_REPLICA_DOOR"] == listens
    assert trusts in made.values["WHARF_REPLICA_DOOR_TRUST"]
    assert made.own_sockets == ([door] if door.startswith("/") else [])


@pytest.mark.parametrize("door", ["gateway:8089", "8089", "0.0.0.0:8089; include x"])
def test_no_door(door: str) -> None:
    """If nginx cannot listen on a door, the start is refused with the setting's name."""
    with pytest.raises(CannotRunError, match="WHARF_REPLICA_DOOR"):
        gateway(WHARF_REPLICA_DOOR=door)


@pytest.mark.parametrize(
    ("door", "others", "name"),
    [
        ("0.0.0.0:8080", {}, "WHARF_PORT"),
        ("[::]:08080", {}, "WHARF_PORT"),
        ("127.0.0.1:8081", {}, "WHARF_METRICS_PORT"),
        ("0.0.0.0:9000", {"WHARF_METRICS_PORT": "9000"}, "WHARF_METRICS_PORT"),
        ("0.0.0.0:8079", {"WHARF_REDIRECT_PORT": "8079"}, "WHARF_REDIRECT_PORT"),
        ("0.0.0.0:8086", {"WHARF_CONSOLE_DOOR": "[::]:8086"}, "WHARF_CONSOLE_DOOR"),
        ("/run/a.sock", {"WHARF_CONSOLE_DOOR": "/run/a.sock"}, "WHARF_CONSOLE_DOOR"),
    ],
)
def test_a_door_for_others_too(door: str, others: dict[str, str], name: str) -> None:
    """The replica door trusts its callers, so it is refused at an address of other clients."""
    with pytest.raises(CannotRunError, match=rf"WHARF_REPLICA_DOOR.*: {name} uses this address"):
        gateway(WHARF_REPLICA_DOOR=door, **others)


def test_apart_without_a_door() -> None:
    """Replicas without a shared folder and without a door do not start."""
    with pytest.raises(CannotRunError, match="requires WHARF_REPLICA_DOOR"):
        gateway(WHARF_DATA_SHARED="false")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("search local\nnameserver 10.0.0.10\n", "resolver 10.0.0.10 valid=10s;"),
        (
            "nameserver 10.0.0.10\nnameserver\tfd00::a \nnameserver fe80::1%eth0\n",
            "resolver 10.0.0.10 [fd00::a] valid=10s;",
        ),
        ("# nameserver 10.0.0.10\nnameserver x; include y\n", ""),
        ("", ""),
    ],
)
def test_name_servers(text: str, line: str, tmp_path: Path) -> None:
    """The line `resolver` has the system's valid name servers in nginx's notation."""
    path = tmp_path / "resolv.conf"
    path.write_text(text)
    assert replica_door.resolver_line(str(path)) == line


def test_no_name_servers(tmp_path: Path) -> None:
    """Without the system's file the line `resolver` is empty."""
    assert replica_door.resolver_line(str(tmp_path / "none")) == ""
