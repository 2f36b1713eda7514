"""The address of the service that makes small pictures, and the gateway's cache (ADR 51)."""

from __future__ import annotations

from collections.abc import Mapping

from wharf_gateway import addresses
from wharf_gateway.tables import Setting

IMAGES_SOCKET = Setting(
    "WHARF_IMAGES_SOCKET",
    "",
    "",
    "The address of the service that makes small pictures: the path of a unix socket. "
    "Empty: there are no small pictures",
)
IMAGES_BLOBS_SOCKET = Setting(
    "WHARF_IMAGES_BLOBS_SOCKET",
    "",
    "",
    "The path of a unix socket at which this gateway sends the bytes of files to the service "
    "that makes small pictures. Only that service may connect to it. Empty: "
    "`images-blobs.sock` in `WHARF_SOCKETS`",
)
IMAGES_SETTINGS = (IMAGES_SOCKET, IMAGES_BLOBS_SOCKET)

PICTURES_CACHE_BYTES = Setting(
    "WHARF_PICTURES_CACHE_BYTES",
    str(1 << 30),
    "bytes",
    "The size of this gateway's cache of small pictures, in "
    "`WHARF_DATA/pictures/<WHARF_INSTANCE>`. The gateway removes the pictures first that "
    "were not requested for the longest time",
    minimum=1 << 20,
)
# A placeholder in configuration files that nginx does not include.
_NOWHERE = "127.0.0.1:1"


def folder(data: str, instance: str) -> str:
    """Return the folder of a gateway's cached small pictures."""
    return f"{data}/pictures/{instance}"


def template_values(images: str = "", blobs: str = "", kept: str = "") -> dict[str, str]:
    """Return the values for small pictures in nginx's templates.

    Args:
        images: the socket of the service that makes small pictures; empty: there is no service.
        blobs: the socket on which nginx gives that service the bytes of files.
        kept: the folder of the cached pictures.
    """
    with_images = bool(images)
    return {
        "WHARF_IMAGES": "include conf.d/images.conf;" if with_images else "",
        "WHARF_IMAGES_METRICS": "include snippets/images_metrics.conf;" if with_images else "",
        "WHARF_PICTURES": f"include snippets/{'' if with_images else 'no_'}pictures.conf;",
        "WHARF_PICTURES_MADE": "include snippets/pictures_made.conf;" if with_images else "",
        "WHARF_PICTURES_FOLDER": kept or "/nowhere",
        "WHARF_IMAGES_SOCKET": f"unix:{images}" if images else _NOWHERE,
        "WHARF_IMAGES_BLOBS_SOCKET": f"unix:{blobs}" if images else _NOWHERE,
    }


def container_values(environ: Mapping[str, str], sockets: str, kept: str) -> dict[str, str]:
    """Return the template values for the gateway's container.

    Raises:
        CannotRunError: a setting is not a path.
    """
    if not IMAGES_SOCKET.read(environ):
        return template_values()
    blobs = f"{sockets}/images-blobs.sock"
    if IMAGES_BLOBS_SOCKET.read(environ):
        blobs = addresses.path(IMAGES_BLOBS_SOCKET, environ)
    return template_values(addresses.path(IMAGES_SOCKET, environ), blobs, kept)
