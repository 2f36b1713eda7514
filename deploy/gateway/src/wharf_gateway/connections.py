"""The number of connections that nginx may have, and the share of one address (ADR 64)."""

from __future__ import annotations

import os
import resource
from collections.abc import Mapping
from contextlib import suppress

from socket_guard.shares import Shares
from wharf_gateway import trusted_proxies
from wharf_gateway.tables import Setting
from wharf_gateway.terminal import CannotRunError

AUTO = "auto"
NGINX_WORKERS = Setting(
    "WHARF_NGINX_WORKERS",
    AUTO,
    "processes",
    "The number of nginx worker processes. `auto`: one for each core",
    minimum=1,
    maximum=1024,
    words=(AUTO,),
)
ADDRESS_CONNECTIONS = Setting(
    "WHARF_ADDRESS_CONNECTIONS",
    "256",
    "connections",
    "The number of concurrent requests of one client address",
    minimum=1,
)
LIVE_ADDRESS_CONNECTIONS = Setting(
    "WHARF_LIVE_ADDRESS_CONNECTIONS",
    "256",
    "connections",
    "The number of concurrent connections of one client address to the live channel, in "
    "addition to the requests of WHARF_ADDRESS_CONNECTIONS",
    minimum=1,
)
ADDRESS_OPEN_CONNECTIONS = Setting(
    "WHARF_ADDRESS_OPEN_CONNECTIONS",
    AUTO,
    "connections",
    "The number of open connections of one client address (IPv6: one network of 64 bits), "
    "including connections without a complete request. The gateway closes connections above "
    "this number, those with half-sent requests first. `auto`: twice the sum of "
    "WHARF_ADDRESS_CONNECTIONS and WHARF_LIVE_ADDRESS_CONNECTIONS, and at most half of nginx's"
    " connections. 0: no separate limit",
    minimum=0,
    words=(AUTO,),
)
CONNECTION_SETTINGS = (
    ADDRESS_CONNECTIONS,
    LIVE_ADDRESS_CONNECTIONS,
    ADDRESS_OPEN_CONNECTIONS,
    *trusted_proxies.PROXY_SETTINGS,
)

# The connections of one nginx worker; nginx drops further connections. 2,000 clients that receive
# events use 4,000 connections: one from each client to nginx, and one from nginx to the live
# channel for each client.
_MOST = 8192
# The descriptors of one connection: its socket and a file. A request has one or two connections,
# and at most one open file for each connection: a stored file or a spooled body.
_DESCRIPTORS_PER_CONNECTION = 2
# With fewer connections nginx cannot serve its own sockets and a few clients.
_LEAST = 128
# Clients may use this many quarters of all connections; the rest is for connections to services.
_CLIENTS_QUARTERS = 3


def allowed_descriptors() -> int:
    """Return the number of descriptors that an nginx process may have, at most what nginx uses.

    If this process has root's capability to raise the limit, the function raises the limit.
    """
    wanted = _MOST * _DESCRIPTORS_PER_CONNECTION
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard >= wanted:
        return wanted
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, wanted))
        return wanted
    return hard


def worker_connections() -> int:
    """Return the number of connections of one nginx worker, which its descriptors limit.

    Raises:
        CannotRunError: the descriptors allow fewer than 128 connections.
    """
    allowed = allowed_descriptors()
    connections = allowed // _DESCRIPTORS_PER_CONNECTION
    if connections < _LEAST:
        raise CannotRunError(
            f"a process may have {allowed} open files, and nginx needs at least "
            f"{_LEAST * _DESCRIPTORS_PER_CONNECTION}: {_REMEDY}"
        )
    return connections


_REMEDY = "raise `ulimit -n`, systemd's LimitNOFILE or the container's `ulimits`"


def shortage() -> str:
    """Return a warning when descriptors limit the connections; otherwise an empty text."""
    connections = worker_connections()
    if connections == _MOST:
        return ""
    return (
        f"each worker of nginx accepts {connections} connections instead of {_MOST}, because a "
        f"process may have only {allowed_descriptors()} open files; {_REMEDY}"
    )


def most_connections(environ: Mapping[str, str]) -> int:
    """Return the number of connections of all nginx workers, to clients and to services."""
    workers = NGINX_WORKERS.read(environ)
    # nginx counts the processors that are online, as cpu_count() does.
    return worker_connections() * (os.cpu_count() or 1 if workers == AUTO else int(workers))


def template_values(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the numbers of connections and descriptors for nginx's templates.

    Raises:
        CannotRunError: a setting is not a number or not an address, or descriptors are too few.
    """
    shares(environ)
    connections = worker_connections()
    return {
        "WHARF_WORKER_CONNECTIONS": str(connections),
        "WHARF_WORKER_DESCRIPTORS": str(connections * _DESCRIPTORS_PER_CONNECTION),
    }


def shares(environ: Mapping[str, str]) -> Shares:
    """Return how many of the public port's connections one address and all addresses may have.

    Raises:
        CannotRunError: a setting is not a number or not an address.
    """
    of_all = most_connections(environ) * _CLIENTS_QUARTERS // 4
    text = ADDRESS_OPEN_CONNECTIONS.read(environ)
    if text != AUTO:
        of_one = int(text)
    else:
        numbers = (ADDRESS_CONNECTIONS, LIVE_ADDRESS_CONNECTIONS)
        requests = sum(setting.number(environ) for setting in numbers)
        usual = sum(int(setting.default) for setting in numbers)
        # Only an operator with a proxy in front of the gateway sets limits above half of all.
        is_proxy = requests > max(usual, of_all // 2)
        of_one = 2 * requests if is_proxy else min(2 * requests, of_all // 2)
    return Shares(of_one, of_all, trusted_proxies.without_share(environ))
