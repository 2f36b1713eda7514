"""URLs of receivers, parsed once: the connection uses only the parts that this module returns.

`urllib.parse` does not fit: it removes tabs and line ends, accepts each spelling of a host, and its
results differ between releases of Python. This module refuses each text that programs read in
different ways.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from servicekit.outbound.addresses import Address, parsed
from servicekit.outbound.errors import NotAllowed

MAX_URL_CHARACTERS = 2048
MAX_PORT = 65_535
_DEFAULT_PORTS = {"https": 443, "http": 80}

# RFC 3986, section 2, without brackets and "%" where they are not in their place.
_CHARACTERS = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")
_URL = re.compile(r"(?P<scheme>[A-Za-z]+)://(?P<authority>[^/?#]*)(?P<target>[^#]*)(?P<rest>#.*)?")
_AUTHORITY = re.compile(r"(?:\[(?P<bracketed>[^\]]*)\]|(?P<plain>[^:\[\]]*))(?P<port>:.*)?")
_PORT = re.compile(r":(?!0)[0-9]{1,5}")
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
_MAX_NAME_CHARACTERS = 253
# The system's resolver reads 127.1, 0x7f.1 and 2130706433 as addresses.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


@dataclass(frozen=True, slots=True)
class Host:
    """A host: its name in lower case, or its `address` and the usual spelling of the address."""

    name: str
    address: Address | None = None

    @property
    def bracketed(self) -> str:
        """Return the host as URLs spell it."""
        return f"[{self.name}]" if ":" in self.name else self.name


@dataclass(frozen=True, slots=True)
class Target:
    """The parts of a URL: `path` includes the query."""

    scheme: str
    host: Host
    port: int
    path: str

    @property
    def is_encrypted(self) -> bool:
        """Tell whether the connection uses TLS."""
        return self.scheme == "https"

    @property
    def authority(self) -> str:
        """Return the value of the field Host."""
        if self.port == _DEFAULT_PORTS[self.scheme]:
            return self.host.bracketed
        return f"{self.host.bracketed}:{self.port}"


def target_of(url: str) -> Target:
    """Return the parts of a URL; raise `NotAllowed` with the reason."""
    if len(url) > MAX_URL_CHARACTERS:
        raise NotAllowed(f"the URL has more than {MAX_URL_CHARACTERS} characters")
    if not _CHARACTERS.fullmatch(url):
        raise NotAllowed(
            "the URL has a character that URLs do not have: write a host with its ASCII name "
            "(xn--…), and other characters as %XX"
        )
    parts = _URL.fullmatch(url)
    if parts is None or parts["scheme"].lower() not in _DEFAULT_PORTS:
        raise NotAllowed("the URL does not begin with https://")
    if parts["rest"] is not None:
        raise NotAllowed("the URL has a fragment, which no receiver gets: remove it")
    if "@" in parts["authority"]:
        raise NotAllowed("the URL has a user or a password: remove it")
    scheme = parts["scheme"].lower()
    host, port = _host_and_port(parts["authority"])
    path = parts["target"] if parts["target"].startswith("/") else f"/{parts['target']}"
    if re.search(r"[\[\]]|%(?![0-9A-Fa-f]{2})", path):
        raise NotAllowed("the path has [, ] or % where URLs do not have it: write it as %XX")
    return Target(scheme, host, _DEFAULT_PORTS[scheme] if port is None else port, path)


def _host_and_port(authority: str) -> tuple[Host, int | None]:
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None:
        raise NotAllowed("the URL has no valid host")
    port = None if parts["port"] is None else port_of(parts["port"])
    try:
        if parts["bracketed"] is not None:
            return ipv6_host(parts["bracketed"]), port
        return host_of(parts["plain"]), port
    except ValueError as error:
        raise NotAllowed(str(error)) from None


def port_of(text: str) -> int:
    """Return the number of a port with its colon; raise `NotAllowed`."""
    if not _PORT.fullmatch(text) or int(text[1:]) > MAX_PORT:
        raise NotAllowed(f"the port is not a number from 1 to {MAX_PORT}")
    return int(text[1:])


def ipv6_host(text: str) -> Host:
    """Return the host of an IPv6 address; raise `ValueError` with the reason."""
    if ":" in text:
        try:
            address = parsed(text)
        except ValueError:
            pass
        else:
            return Host(str(address), address)
    raise ValueError("the host in brackets is not an IPv6 address without a zone")


def host_of(text: str) -> Host:
    """Return the host of a name or an IPv4 address; raise `ValueError` with the reason."""
    name = text.lower()
    if not text.isascii() or not _NAME.fullmatch(name) or len(name) > _MAX_NAME_CHARACTERS:
        raise ValueError(
            "the host is not a name of letters, digits, - and _ with single dots between them"
        )
    if not _NUMBER.fullmatch(name.rpartition(".")[2]):
        return Host(name)
    try:
        address = parsed(name)
    except ValueError:
        raise ValueError("the host is a number, but not an IPv4 address like 192.0.2.1") from None
    return Host(str(address), address)
