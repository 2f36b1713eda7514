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
    """Return the absolute path that a setting names.

    Raises:
        CannotRunError: the value is not an absolute path, or nginx cannot read it as one word.
    """
    text = setting.read(environ)
    if not _PATH.fullmatch(text):
        raise CannotRunError(
            f"{setting.name}={text!r}: allowed is an absolute path of letters, "
            "digits and any of . _ - /"
        )
    return text


def server(setting: Setting, environ: Mapping[str, str], examples: tuple[str, str]) -> str:
    """Return where a service listens, in nginx's notation: a unix socket, or a host and port.

    Args:
        setting: names the variable.
        environ: the environment.
        examples: a path, and a host with a port, for the error message.

    Raises:
        CannotRunError: the value is neither a path nor a host and port.
    """
    return _unix_or_port(setting, setting.read(environ), _HOST_AND_PORT, "a host", examples)


def listen(setting: Setting, environ: Mapping[str, str], examples: tuple[str, str]) -> str:
    """Return where nginx listens, in its notation: on a unix socket, or an IP address and port.

    Args:
        setting: names the variable.
        environ: the environment.
        examples: a path, and an address with a port, for the error message.

    Raises:
        CannotRunError: the value is neither a path nor an IP address and port.
    """
    return _unix_or_port(
        setting, setting.read(environ), _ADDRESS_AND_PORT, "an IP address", examples
    )


def socket_path(address: str) -> str:
    """Return the path of a unix socket in nginx's notation; an empty text for a port."""
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
