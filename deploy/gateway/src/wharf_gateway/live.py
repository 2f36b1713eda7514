"""The address of the live channel behind the gateway (ADR 50)."""

from __future__ import annotations

from collections.abc import Mapping

from wharf_gateway import addresses
from wharf_gateway.tables import Setting

LIVE_SOCKET = Setting(
    "WHARF_LIVE_SOCKET",
    "",
    "",
    "The address of the live channel next to this gateway: the path of a unix socket. "
    "Empty: there is no live channel",
)
LIVE_SETTINGS = (LIVE_SOCKET,)

# A placeholder in configuration files that nginx does not include.
_NOWHERE = "127.0.0.1:1"


def template_values(live: str = "") -> dict[str, str]:
    """Return the values for the live channel in nginx's templates.

    Args:
        live: the path of the live channel's socket; empty: there is no live channel.
    """
    return {
        "WHARF_LIVE": "include conf.d/live.conf;" if live else "",
        "WHARF_LIVE_LOCATIONS": "include snippets/live.conf;" if live else "",
        "WHARF_LIVE_METRICS": "include snippets/live_metrics.conf;" if live else "",
        "WHARF_LIVE_STREAMS": "1" if live else "",
        "WHARF_LIVE_SOCKET": f"unix:{live}" if live else _NOWHERE,
    }


def container_values(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the template values for the gateway's container.

    Raises:
        CannotRunError: the setting is not a path.
    """
    if not LIVE_SOCKET.read(environ):
        return template_values()
    return template_values(addresses.path(LIVE_SOCKET, environ))
