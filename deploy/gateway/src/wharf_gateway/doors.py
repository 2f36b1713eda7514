"""What holds for every door at which whoever comes is believed in who the client is."""

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
    """Raise CannotRunError where a door is at another one's place.

    nginx would listen there once for both, and any client could choose this one by its `Host`.

    Args:
        setting: names the door.
        door: where it is, in nginx's notation.
        environ: has the settings of the ports.
        others: more places that are taken, by the names of their settings.
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
                f"{setting.name}={setting.read(environ)}: {name} is there already; who comes to "
                "this door is believed, so it has a port or a socket of its own"
            )


def _port_or_path(place: str) -> int | str:
    place = addresses.socket_path(place) or place
    return place if place.startswith("/") else int(place.rpartition(":")[2])
