"""The live channel behind the gateway: where it listens (ADR 50)."""

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

# In the configuration that is not included.
_NOWHERE = "127.0.0.1:1"


def template_values(live: str = "") -> dict[str, str]:
    """What nginx's templates say of a live channel; nothing of one that is not there.

    Args:
        live: the path of its socket.
    """
    return {
        "WHARF_LIVE": "include conf.d/live.conf;" if live else "",
        "WHARF_LIVE_LOCATIONS": "include snippets/live.conf;" if live else "",
        "WHARF_LIVE_METRICS": "include snippets/live_metrics.conf;" if live else "",
        "WHARF_LIVE_STREAMS": "1" if live else "",
        "WHARF_LIVE_SOCKET": f"unix:{live}" if live else _NOWHERE,
    }


def container_values(environ: Mapping[str, str]) -> dict[str, str]:
    """The same for the gateway's container.

    Raises:
        CannotRunError: the setting is no path.
    """
    if not LIVE_SOCKET.read(environ):
        return template_values()
    return template_values(addresses.path(LIVE_SOCKET, environ))
