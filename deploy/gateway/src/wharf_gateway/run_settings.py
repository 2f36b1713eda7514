"""Settings that the native runner and the gateway's container share.

The settings are addresses, ports, the folder of the data, the name of the instance, and times.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from wharf_gateway import tls
from wharf_gateway.tables import Setting
from wharf_gateway.terminal import CannotRunError

HOST = Setting(
    "WHARF_HOST",
    "127.0.0.1",
    "",
    "The address that the gateway listens on. `0.0.0.0` opens it to the network; before you "
    "use it, set WHARF_TLS_CERTIFICATE or put a TLS proxy in front, and set WHARF_HOSTS and "
    "WHARF_ISSUER",
)
PORT = Setting(
    "WHARF_PORT", "8080", "port", "The port that the gateway listens on", minimum=1, maximum=65534
)
METRICS_HOST = Setting(
    "WHARF_METRICS_HOST",
    "127.0.0.1",
    "",
    "The address of the port for metrics. Every client that can connect to this port can read "
    "the metrics and the names of all tenants",
)
METRICS_PORT = Setting(
    "WHARF_METRICS_PORT",
    "",
    "port",
    "The port for metrics. Empty: WHARF_PORT + 1",
    minimum=1,
    maximum=65535,
    words=("",),
)
DATA = Setting("WHARF_DATA", "var", "", "The directory of all data that Wharf stores")
INSTANCE = Setting(
    "WHARF_INSTANCE",
    "native",
    "",
    "The name of this Wharf, unique among the Wharfs that share one WHARF_DATA. Each Wharf has"
    " its own spool, sockets and logs (docs/scaling.md)",
)
DRAIN = Setting(
    "WHARF_DRAIN_SECONDS",
    "30",
    "seconds",
    "How long requests in flight may take to end when Wharf is stopped",
    minimum=0,
    maximum=86400,
)
READY = Setting(
    "WHARF_READY_SECONDS",
    "60",
    "seconds",
    "How long a start may take. A longer start counts as failed",
    minimum=1,
    maximum=3600,
)
X_FORWARDED_FOR, FORWARDED, PROXY = "X-Forwarded-For", "Forwarded", "PROXY"
PROXY_HEADER = Setting(
    "WHARF_PROXY_HEADER",
    X_FORWARDED_FOR,
    "",
    "The header field into which the proxies of `WHARF_TRUSTED_PROXIES` write the client's "
    "address: `X-Forwarded-For`, `Forwarded` (RFC 7239), or `PROXY` for the PROXY protocol, "
    "which then begins every connection to the public port. The gateway reads only this field,"
    " because a proxy forwards other fields as its client sends them",
)
# Copied from container.py, so that this module does not import it for one name.
_FRONT_DOOR = "WHARF_FRONT_DOOR"

RUN_SETTINGS = (HOST, PORT, METRICS_HOST, METRICS_PORT, DATA, INSTANCE, DRAIN, READY)

# nginx reads paths as words of its configuration. These characters end a word, begin a variable or
# have another special meaning there.
_UNSAFE_IN_PATHS = frozenset(" \t\r\n\"'`;{}$\\#*?")
_INSTANCE_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
# The longest label of the DNS: host names of containers are labels.
_INSTANCE_LENGTH = 63
_ADDRESS_CHARACTERS = frozenset("0123456789abcdefABCDEF.:")


class RunSettings:
    """The shared settings, read once and checked.

    Attributes:
        root: the checkout, or the folder of an image with the templates.
        data: the absolute path of WHARF_DATA.
        instance: the name of this Wharf among those with the same WHARF_DATA.
        host: the address to listen on; `localhost` is 127.0.0.1 here.
        port: the public port.
        speaks_proxy: whether a connection to the public port begins with a PROXY line.
        metrics_host: the address of the internal port.
        metrics_port: the internal port.
        is_tls: whether the public port speaks TLS.
        redirect_port: the port that redirects browsers to the public port; 0: none.
        drain_seconds: how long requests in flight may take during a stop.
        ready_seconds: how long a start may take.
    """

    __slots__ = (
        "data",
        "drain_seconds",
        "host",
        "instance",
        "is_tls",
        "metrics_host",
        "metrics_port",
        "port",
        "ready_seconds",
        "redirect_port",
        "root",
        "speaks_proxy",
    )

    def __init__(self, environ: Mapping[str, str], *, root: str) -> None:
        self.root = root
        self.data = data_directory(DATA.read(environ), root)
        self.instance = instance_name(INSTANCE.read(environ))
        self.host = _address(HOST, environ)
        self.metrics_host = _address(METRICS_HOST, environ)
        self.port = PORT.number(environ)
        self.speaks_proxy = PROXY_HEADER.read(environ) == PROXY and not is_behind_front_door(
            environ
        )
        self.metrics_port = int(METRICS_PORT.read(environ) or self.port + 1)
        if self.metrics_port == self.port:
            raise CannotRunError(f"WHARF_METRICS_PORT={self.port}: must differ from WHARF_PORT")
        self.is_tls = tls.files(environ) is not None
        self.redirect_port = int(tls.REDIRECT_PORT.read(environ) or 0)
        if self.redirect_port in {self.port, self.metrics_port}:
            raise CannotRunError(
                f"{tls.REDIRECT_PORT.name}={self.redirect_port}: must differ from WHARF_PORT and "
                "WHARF_METRICS_PORT"
            )
        self.drain_seconds = DRAIN.number(environ)
        self.ready_seconds = READY.number(environ)

    @property
    def listen(self) -> str:
        """Return the public address and port in nginx's notation."""
        return f"{_bracketed(self.host)}:{self.port}"

    @property
    def public_ports(self) -> tuple[int, ...]:
        """Return the ports that are open to all clients."""
        return (self.port, self.redirect_port) if self.redirect_port else (self.port,)

    @property
    def redirect_listen(self) -> str:
        """Return the address and port that redirect browsers to TLS, in nginx's notation."""
        return f"{_bracketed(self.host)}:{self.redirect_port}"

    @property
    def metrics_listen(self) -> str:
        """Return the internal address and port in nginx's notation."""
        return f"{_bracketed(self.metrics_host)}:{self.metrics_port}"

    @property
    def local_metrics_host(self) -> str:
        """Return the address at which this machine reaches the internal port."""
        return _reached(self.metrics_host)

    @property
    def metrics_url(self) -> str:
        """Return the URL at which this machine reaches the internal port."""
        return f"http://{_bracketed(self.local_metrics_host)}:{self.metrics_port}"

    @property
    def local_host(self) -> str:
        """Return the address at which this machine reaches the gateway; never a wildcard."""
        return _reached(self.host)

    @property
    def url(self) -> str:
        """Return the URL at which this machine reaches the gateway."""
        return f"http{'s' * self.is_tls}://{_bracketed(self.local_host)}:{self.port}"


def is_behind_front_door(environ: Mapping[str, str]) -> bool:
    """Tell whether a balancer on the same machine forwards clients' connections."""
    return bool(environ.get(_FRONT_DOOR))


def data_directory(text: str, root: str) -> str:
    """Return the absolute path of the data; a relative path starts at `root`.

    Raises:
        CannotRunError: the path cannot be written in nginx's configuration.
    """
    path = os.path.normpath(os.path.join(root, os.path.expanduser(text)))
    if not _UNSAFE_IN_PATHS.isdisjoint(path):
        raise CannotRunError(
            f"WHARF_DATA={path!r}: spaces, quotes and any of ; {{ }} $ # * ? \\ are not allowed, "
            "because this path is in nginx's configuration"
        )
    return path


def instance_name(text: str) -> str:
    """Return the name of the instance, for use in paths.

    Raises:
        CannotRunError: the text is not a label of a host name.
    """
    good = text[:1].isalnum() and _INSTANCE_CHARACTERS.issuperset(text)
    if not good or len(text) > _INSTANCE_LENGTH:
        raise CannotRunError(
            f"WHARF_INSTANCE={text!r}: allowed are up to {_INSTANCE_LENGTH} characters of a-z, 0-9 "
            "and '-', the first of them no '-'"
        )
    return text


def _reached(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104


def _address(setting: Setting, environ: Mapping[str, str]) -> str:
    text = setting.read(environ)
    if text == "localhost":
        return "127.0.0.1"
    address = text.strip("[]")
    if not address or not _ADDRESS_CHARACTERS.issuperset(address):
        raise CannotRunError(f"{setting.name}={text!r}: allowed is an IP address, such as 0.0.0.0")
    return address


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
