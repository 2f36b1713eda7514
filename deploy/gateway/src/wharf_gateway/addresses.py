"""Paths and ports of settings, in nginx's notation."""

from __future__ import annotations

import re
from collections.abc import Mapping

from wharf_gateway.tables import Setting
from wharf_gateway.terminal import CannotRunError

_PATH = re.compile(r"/[A-Za-z0-9/._-]+")
_HOST_AND_PORT = re.compile(r"(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\]):[0-9]{1,5}")
_ADDRESS_AND_PORT = re.compile(r"(?:[0-9.]+|\[[0-9a-f:.]+\]):[0-9]{1,5}")


def path(setting: Setting, environ: Mapping[str, str]) -> str:
    """An absolute path.

    Raises:
        CannotRunError: it is none, or nginx could not name it.
    """
    text = setting.read(environ)
    if not _PATH.fullmatch(text):
        raise CannotRunError(
            f"{setting.name}={text!r}: allowed is an absolute path of letters, "
            "digits and any of . _ - /"
        )
    return text


def server(setting: Setting, environ: Mapping[str, str], examples: tuple[str, str]) -> str:
    """Where a service listens: a unix socket, or a host and port.

    Raises:
        CannotRunError: it is neither; the examples are one of each.
    """
    return _unix_or_port(setting, setting.read(environ), _HOST_AND_PORT, "a host", examples)


def listen(setting: Setting, environ: Mapping[str, str], examples: tuple[str, str]) -> str:
    """Where nginx listens: on a unix socket, or on an IP address and port.

    Raises:
        CannotRunError: it is neither; the examples are one of each.
    """
    return _unix_or_port(
        setting, setting.read(environ), _ADDRESS_AND_PORT, "an IP address", examples
    )


def socket_path(address: str) -> str:
    """The path of a unix socket in nginx's notation; empty when it is a port."""
    return address.removeprefix("unix:") if address.startswith("unix:") else ""


def _unix_or_port(
    setting: Setting, text: str, port: re.Pattern[str], host: str, examples: tuple[str, str]
) -> str:
    if _PATH.fullmatch(text):
        return f"unix:{text}"
    if not port.fullmatch(text):
        raise CannotRunError(
            f"{setting.name}={text!r}: allowed is a path, such as {examples[0]}, or {host} and "
            f"port, such as {examples[1]}"
        )
    return text
