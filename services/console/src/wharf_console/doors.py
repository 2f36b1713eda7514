"""The console doors of the gateways, through which the console calls the API (ADR 47)."""

from __future__ import annotations

import random
import socket

_CONNECT_SECONDS = 2.0


def split(setting: str) -> list[str]:
    """Return the doors of the setting `WHARF_CONSOLE_DOOR`.

    Raises:
        ValueError: one of them is neither the path of a socket nor a host and port.
    """
    found = [door.strip().removeprefix("unix:") for door in setting.split(",")]
    for door in found:
        host, _, port = door.rpartition(":")
        if not door.startswith("/") and not (host and port.isascii() and port.isdecimal()):
            raise ValueError(door)
    return found


def connect(setting: str) -> socket.socket:
    """Connect to one of the doors; skip gateways that do not accept the connection.

    Raises:
        OSError: no door accepts a connection.
    """
    doors = split(setting)
    # A random order distributes the requests over the gateways.
    random.shuffle(doors)
    error = OSError("there is no door")
    for door in doors:
        try:
            return _connect(door)
        except OSError as failure:
            error = failure
    raise error


def _connect(door: str) -> socket.socket:
    if not door.startswith("/"):
        host, _, port = door.rpartition(":")
        return socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS)
    made = socket.socket(socket.AF_UNIX)
    try:
        made.settimeout(_CONNECT_SECONDS)
        made.connect(door)
    except OSError:
        made.close()
        raise
    return made
