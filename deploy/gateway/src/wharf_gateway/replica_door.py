"""The replica door, between gateways of replicas that share no folder (ADR 56)."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from contextlib import suppress

from wharf_gateway import addresses, doors
from wharf_gateway.tables import Setting
from wharf_gateway.terminal import CannotRunError

REPLICA_DOOR = Setting(
    "WHARF_REPLICA_DOOR",
    "",
    "",
    "The replica door, at which this gateway receives requests from other gateways: IP "
    "address and port, or the path of a unix socket. Only other gateways may reach it "
    "(docs/scaling.md). Empty: no replica door, and this gateway forwards no requests to "
    "others. For `WHARF_DATA_SHARED=false`",
)
_EXAMPLES = ("/run/wharf/replica-door.sock", "0.0.0.0:8089")
# Copied from console.py, so that this module does not import it for one name.
_CONSOLE_DOOR = "WHARF_CONSOLE_DOOR"
_RESOLV_CONF = "/etc/resolv.conf"


def template_values(door: str = "", resolver: str = "") -> dict[str, str]:
    """Return the values for the replica door in nginx's templates.

    Args:
        door: where nginx listens for other gateways, in nginx's notation; empty: no replica door.
        resolver: nginx's `resolver` directive, which names the name servers.
    """
    return {
        "WHARF_REPLICA_DOOR": door or "127.0.0.1:1",
        "WHARF_REPLICA_DOOR_TRUST": "set_real_ip_from unix:;"
        if door.startswith("unix:")
        else "set_real_ip_from 0.0.0.0/0; set_real_ip_from ::/0;",
        "WHARF_RESOLVER": resolver,
        "WHARF_REPLICA_DOOR_SERVER": "include conf.d/replica_door.conf;" if door else "",
        "WHARF_PASSING_ON": "include snippets/passing_on.conf;" if door else "",
        "WHARF_STREAM_PLACE": "include snippets/stream_place.conf;"
        if door
        else 'try_files "" @limited_stream$body_class_suffix;',
        # This variable tells the service which requests another gateway has forwarded.
        "WHARF_PASSED_ON": "uwsgi_param WHARF_PASSED_ON $wharf_passed_on;" if door else "",
    }


def values(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the template values for a gateway with these settings.

    Raises:
        CannotRunError: the door is not an address, or it uses the address of another port.
    """
    if not REPLICA_DOOR.read(environ):
        return template_values()
    door = addresses.listen(REPLICA_DOOR, environ, _EXAMPLES)
    others = {_CONSOLE_DOOR: environ.get(_CONSOLE_DOOR, "")}
    doors.require_own_place(REPLICA_DOOR, door, environ, others)
    return template_values(door, resolver_line())


def require_door(environ: Mapping[str, str]) -> None:
    """Raise CannotRunError when replicas share no folder and the replica door is not set."""
    apart = environ.get("WHARF_DATA_SHARED", "").lower() in {"false", "0", "no", "off"}
    if apart and not REPLICA_DOOR.read(environ):
        raise CannotRunError(
            "WHARF_DATA_SHARED=false requires WHARF_REPLICA_DOOR, the address at which other "
            f"gateways reach this one, such as {_EXAMPLES[1]}"
        )


def resolver_line(path: str = _RESOLV_CONF) -> str:
    """Return nginx's `resolver` directive with the name servers of the system.

    nginx needs the directive for host names that nginx learns from a request. Without a name server
    the result is empty, and other gateways must be named by IP addresses.
    """
    servers: list[str] = []
    with suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            word, _, rest = line.strip().replace("\t", " ").partition(" ")
            if word == "nameserver":
                # nginx does not understand zones (fe80::1%eth0).
                with suppress(ValueError):
                    address = ipaddress.ip_address(rest.strip())
                    if "%" not in str(address):
                        servers.append(f"[{address}]" if address.version == 6 else str(address))
    return f"resolver {' '.join(servers)} valid=10s;" if servers else ""
