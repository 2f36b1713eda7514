"""How many connections nginx may have, and how many of them an address (ADR 64)."""

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
    "addition to those requests",
    minimum=1,
)
ADDRESS_OPEN_CONNECTIONS = Setting(
    "WHARF_ADDRESS_OPEN_CONNECTIONS",
    AUTO,
    "connections",
    "The number of open connections of one client address (IPv6: one network of 64 "
    "bits), also without a complete request. The gateway closes connections above it, "
    "those with half-sent requests first. `auto`: twice the sum of "
    "WHARF_ADDRESS_CONNECTIONS and WHARF_LIVE_ADDRESS_CONNECTIONS, and at most half of "
    "nginx's connections. 0: no separate limit",
    minimum=0,
    words=(AUTO,),
)
CONNECTION_SETTINGS = (
    ADDRESS_CONNECTIONS,
    LIVE_ADDRESS_CONNECTIONS,
    ADDRESS_OPEN_CONNECTIONS,
    *trusted_proxies.PROXY_SETTINGS,
)

# nginx drops what comes above this in one of its workers. 2,000 that listen to events take 4,000.
_MOST = 8192
# A connection and a file: a request has one or two connections, and one file for each: a stored
# one, a spooled body.
_DESCRIPTORS_PER_CONNECTION = 2
# Below that nginx has not enough for its own sockets and a few clients.
_LEAST = 128
# Of all connections so many quarters are clients'; the others are left for the services behind.
_CLIENTS_QUARTERS = 3


def allowed_descriptors() -> int:
    """Descriptors that a process of nginx may have, as many as it has use for at most.

    A process of root may raise the limit, where it has kept that right.
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
    """The connections of one nginx worker, as many as its descriptors are enough for.

    Raises:
        CannotRunError: they are enough for hardly any.
    """
    allowed = allowed_descriptors()
    connections = allowed // _DESCRIPTORS_PER_CONNECTION
    if connections < _LEAST:
        raise CannotRunError(
            f"{allowed} open files are allowed to a process, and nginx needs "
            f"{_LEAST * _DESCRIPTORS_PER_CONNECTION} at least: {_REMEDY}"
        )
    return connections


_REMEDY = "raise `ulimit -n`, systemd's LimitNOFILE or the container's `ulimits`"


def shortage() -> str:
    """A line for the operator where descriptors are too few for all connections; else empty."""
    connections = worker_connections()
    if connections == _MOST:
        return ""
    return (
        f"each worker of nginx takes {connections} connections instead of {_MOST}, since "
        f"{allowed_descriptors()} open files are allowed to a process; {_REMEDY}"
    )


def most_connections(environ: Mapping[str, str]) -> int:
    """The connections that all workers of nginx together may have, to clients and to services."""
    workers = NGINX_WORKERS.read(environ)
    # nginx counts the processors that are online, as cpu_count() does.
    return worker_connections() * (os.cpu_count() or 1 if workers == AUTO else int(workers))


def template_values(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the numbers of connections and descriptors for nginx's templates.

    Raises:
        CannotRunError: a setting is no number or no address, or descriptors are too few.
    """
    shares(environ)
    connections = worker_connections()
    return {
        "WHARF_WORKER_CONNECTIONS": str(connections),
        "WHARF_WORKER_DESCRIPTORS": str(connections * _DESCRIPTORS_PER_CONNECTION),
    }


def shares(environ: Mapping[str, str]) -> Shares:
    """Return the shares of addresses in the public port's connections.

    Raises:
        CannotRunError: a setting is no number or no address.
    """
    of_all = most_connections(environ) * _CLIENTS_QUARTERS // 4
    text = ADDRESS_OPEN_CONNECTIONS.read(environ)
    if text != AUTO:
        of_one = int(text)
    else:
        numbers = (ADDRESS_CONNECTIONS, LIVE_ADDRESS_CONNECTIONS)
        requests = sum(setting.number(environ) for setting in numbers)
        usual = sum(int(setting.default) for setting in numbers)
        # Limits above half of all are those of a proxy before the gateway.
        is_proxy = requests > max(usual, of_all // 2)
        of_one = 2 * requests if is_proxy else min(2 * requests, of_all // 2)
    return Shares(of_one, of_all, trusted_proxies.without_share(environ))
