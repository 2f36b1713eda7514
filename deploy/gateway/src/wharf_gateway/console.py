"""The addresses of the console and of the console door, its way to the API (ADR 47)."""

from __future__ import annotations

from collections.abc import Mapping

from wharf_gateway import addresses, doors
from wharf_gateway.tables import Setting

CONSOLE_SOCKET = Setting(
    "WHARF_CONSOLE_SOCKET",
    "",
    "",
    "The address of the console: the path of a unix socket, or `host:port`. The gateway "
    "looks up the name once, at startup. Empty: there is no console",
)
CONSOLE_DOOR = Setting(
    "WHARF_CONSOLE_DOOR",
    "",
    "",
    "The console door, at which this gateway receives the console's requests to the API: "
    "the path of a unix socket, or IP address and port. Only the console may reach it. "
    "Empty: no console door",
)
CONSOLE_SETTINGS = (CONSOLE_SOCKET, CONSOLE_DOOR)

# A placeholder in configuration files that nginx does not include.
_NOWHERE = "127.0.0.1:1"
# On a port nginx trusts every client that reaches it, as on a socket.
_TRUST_PORT = "set_real_ip_from 0.0.0.0/0; set_real_ip_from ::/0;"
_TRUST_SOCKET = "set_real_ip_from unix:;"


def template_values(console: str = "", door: str = "", static: str = "") -> dict[str, str]:
    """Return the values for the console and its door in nginx's templates.

    Args:
        console: where the console listens, in nginx's notation; empty: there is no console.
        door: where nginx listens for the console; empty: there is no console door.
        static: the folder of the scripts and styles that browsers load.
    """
    return {
        "WHARF_CONSOLE": "include conf.d/console.conf;" if console else "",
        "WHARF_CONSOLE_LOCATIONS": "include snippets/console.conf;" if console else "",
        "WHARF_CONSOLE_METRICS": "include snippets/console_metrics.conf;" if console else "",
        "WHARF_CONSOLE_SOCKET": console or _NOWHERE,
        "WHARF_CONSOLE_STATIC": static or "/nowhere",
        "WHARF_CONSOLE_DOOR_SERVER": "include conf.d/console_door.conf;" if door else "",
        "WHARF_CONSOLE_DOOR": door or _NOWHERE,
        "WHARF_CONSOLE_DOOR_TRUST": _TRUST_SOCKET if door.startswith("unix:") else _TRUST_PORT,
    }


def container_values(environ: Mapping[str, str], static: str) -> dict[str, str]:
    """Return the template values for the gateway's container.

    Raises:
        CannotRunError: a setting is not an address, or the door uses the address of another port.
    """
    console = door = ""
    if CONSOLE_SOCKET.read(environ):
        examples = ("/run/wharf/console/console.sock", "wharf-console:3033")
        console = addresses.server(CONSOLE_SOCKET, environ, examples)
    if CONSOLE_DOOR.read(environ):
        examples = ("/run/wharf/console/door.sock", "0.0.0.0:8086")
        door = addresses.listen(CONSOLE_DOOR, environ, examples)
        doors.require_own_place(CONSOLE_DOOR, door, environ)
    return template_values(console, door, static)
