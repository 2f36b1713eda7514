"""The rules for every door at which nginx trusts the caller's statement of the client's address."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from wharf_gateway import addresses, tls
from wharf_gateway.run_settings import METRICS_PORT, PORT
from wharf_gateway.tables import Setting
from wharf_gateway.terminal import CannotRunError


def require_own_place(
    setting: Setting,
    door: str,
    environ: Mapping[str, str],
    others: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Raise CannotRunError when a door uses the address of another port or socket.

    nginx would use one socket for both, and any client could reach the door with its `Host` field.

    Args:
        setting: the setting of the door.
        door: the address of the door, in nginx's notation.
        environ: the settings of the ports.
        others: further addresses in use, by the names of their settings.
    """
    public = PORT.number(environ)
    taken = {
        PORT.name: str(public),
        METRICS_PORT.name: METRICS_PORT.read(environ) or str(public + 1),
        tls.REDIRECT_PORT.name: tls.REDIRECT_PORT.read(environ),
        **others,
    }
    for name, place in taken.items():
        if place and _port_or_path(door) == _port_or_path(place):
            raise CannotRunError(
                f"{setting.name}={setting.read(environ)}: {name} uses this address already; nginx "
                "trusts every client of this door, so the door needs a separate port or socket"
            )


def _port_or_path(place: str) -> int | str:
    place = addresses.socket_path(place) or place
    return place if place.startswith("/") else int(place.rpartition(":")[2])
