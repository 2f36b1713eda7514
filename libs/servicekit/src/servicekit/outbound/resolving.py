"""The addresses of hosts, and those of Wharf's own parts."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress

from servicekit.outbound.addresses import Address, parsed
from servicekit.outbound.errors import DnsUnavailable, SendingFailed
from servicekit.outbound.urls import Host

#: Return the addresses of a name, best first, as texts; raise `OSError`.
Resolver = Callable[[str], Sequence[str]]

_OWN_SECONDS = 60.0


def system_resolver(name: str) -> list[str]:
    """Return the addresses that the system's resolver finds; raise `OSError`.

    The timeouts of resolv.conf limit its time, because a thread cannot stop the resolver.
    """
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def addresses_of(host: Host, resolver: Resolver) -> list[Address]:
    """Return the different addresses of a host in their order, at least one.

    Raises:
        DnsUnavailable: DNS does not answer.
        SendingFailed: the name has no address.
    """
    if host.address:
        return [host.address]
    try:
        texts = resolver(host.name)
        # An address of a link is written with its zone (fe80::1%eth0).
        found = list(dict.fromkeys(parsed(text.partition("%")[0]) for text in texts))
    except socket.gaierror as error:
        if error.errno == socket.EAI_AGAIN:
            raise DnsUnavailable("dns", f"DNS does not answer for {host.name}") from None
        found = []
    except (OSError, ValueError):  # a name that the resolver cannot encode
        found = []
    if not found:
        raise SendingFailed("dns", f"DNS has no address of {host.name}")
    return found


class OwnAddresses:
    """The addresses of Wharf's own parts, which are resolved at most once a minute.

    A name without an address keeps its last addresses: a part that is down has often no name.
    """

    def __init__(
        self, hosts: Collection[Host], resolver: Resolver, clock: Callable[[], float]
    ) -> None:
        self._hosts, self._resolver, self._clock = hosts, resolver, clock
        self._known: dict[Host, list[Address]] | None = None
        self._until = clock()
        self._lock = threading.Lock()

    def __call__(self) -> frozenset[Address]:
        """Return all addresses. While DNS is slow, only one thread waits for the new ones."""
        with self._lock:
            is_due = self._clock() >= self._until
            if is_due:
                self._until = self._clock() + _OWN_SECONDS
            known = self._known
            if known is None:
                known = self._known = self._resolved({})
                is_due = False
        if is_due:
            known = self._known = self._resolved(known)
        return frozenset(one for found in known.values() for one in found)

    def _resolved(self, known: dict[Host, list[Address]]) -> dict[Host, list[Address]]:
        found = dict(known)
        for host in self._hosts:
            with suppress(SendingFailed):
                found[host] = addresses_of(host, self._resolver)
        return found
