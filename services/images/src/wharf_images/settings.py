"""The settings of the picture service; `servicekit.settings` reads them."""

from __future__ import annotations

from dataclasses import dataclass

from servicekit import settings
from servicekit.settings import SettingsError, setting


@dataclass(frozen=True)
class Settings:
    """All settings; each is the variable `WHARF_<NAME>`."""

    sockets: str = setting(
        "",
        doc=(
            "The folder of the unix sockets. This setting is not needed if WHARF_IMAGES_SOCKET"
            " and WHARF_IMAGES_BLOBS_SOCKET are set."
        ),
    )
    images_socket: str = setting(
        "",
        doc="The path of the unix socket on which the gateway requests pictures (uwsgi "
        "protocol). Empty: `images.sock` in `WHARF_SOCKETS`.",
    )
    images_blobs_socket: str = setting(
        "",
        doc="The path of the unix socket on which the gateway serves the bytes of files. Empty: "
        "`images-blobs.sock` in `WHARF_SOCKETS`.",
    )
    images_sandbox: str = setting(
        "auto",
        choices=("auto", "require"),
        doc="What to do if the kernel has no Landlock. `auto`: start with the rest of the "
        "sandbox, a warning and a metric. `require`: do not start.",
    )
    images_workers: int = setting(
        2, minimum=1, maximum=64, doc="The number of pictures that are made at the same time."
    )
    images_waiting: int = setting(
        32,
        minimum=0,
        maximum=4096,
        doc="The number of requests for pictures that may wait for a worker. Further requests "
        "get 503.",
    )
    images_internal: str = setting(
        "",
        doc="`host:port` for `/healthz`, `/readyz` and `/metrics` of this service, for probes of "
        "containers. Empty: no such port.",
    )
    log_level: str = setting(
        "INFO",
        choices=("DEBUG", "INFO", "WARNING", "ERROR"),
        doc="The least severe level of log lines that are written.",
    )

    @property
    def socket(self) -> str:
        """Return the path of the socket on which the gateway requests pictures."""
        return self.images_socket or f"{self.sockets}/images.sock"

    @property
    def blobs_socket(self) -> str:
        """Return the path of the socket on which the gateway sends the bytes of files."""
        return self.images_blobs_socket or f"{self.sockets}/images-blobs.sock"


def read() -> Settings:
    """Return the settings from the environment.

    Raises:
        SettingsError: a setting has no usable value; the message is one line for the operator.
    """
    found = settings.read(Settings)
    for path in (found.socket, found.blobs_socket):
        if not path.startswith("/") or path.startswith(("/images.sock", "/images-blobs.sock")):
            raise SettingsError(
                "set WHARF_SOCKETS, or both WHARF_IMAGES_SOCKET and WHARF_IMAGES_BLOBS_SOCKET, "
                "to absolute paths"
            )
    if found.images_internal and address_of(found.images_internal) is None:
        raise SettingsError(
            f"WHARF_IMAGES_INTERNAL={found.images_internal!r}: allowed is host:port"
        )
    return found


def address_of(text: str) -> tuple[str, int] | None:
    """Return host and port of `host:port`, `None` for other texts; no host means all addresses."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdecimal() or int(port) > 65535:
        return None
    return host.strip("[]"), int(port)
