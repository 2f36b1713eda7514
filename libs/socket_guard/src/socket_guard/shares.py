"""The shares of connections: how many an address may have, and which connections are closed first.

A server accepts a limited number of connections. If a few addresses have all of them, no other
client can connect, and an incomplete request costs its sender nothing. So each address has a limit,
and all addresses together have a limit. Above the common limit, connections of the addresses with
the most connections are closed first. Among the connections of one address, those with incomplete
requests are closed first.
"""

from __future__ import annotations

import ipaddress
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache

from socket_guard.connections import Connection

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Proxies never get this part (1/8) of the common limit, so that other clients can connect too.
_OTHERS_PART = 8
# No head of a request is longer, so a client that has sent more bytes is sending a body.
_HEAD_BYTES = 1 << 16
#: A server waits less than this for the rest of a head. So a client that sends nothing for this
#: time is waiting for a response.
HEAD_MILLISECONDS = 16_000
# The prefix length, in bytes, of the IPv6 network of one client, which may use all addresses in it.
_IPV6_PREFIX_BYTES = 8
_KEPT_ADDRESSES = 1 << 14


class Shares:
    """The shares of clients in a server's connections.

    A client is an IPv4 address, or an IPv6 network of 64 bits.

    Args:
        of_one: the most connections of one client; 0 for no limit.
        of_all: the most connections of all clients together; 0 for no limit.
        proxies: networks of proxies, which forward requests of many clients. The limit of one
            client does not apply to their addresses.
    """

    def __init__(self, of_one: int, of_all: int, proxies: Iterable[Network] = ()) -> None:
        self.of_one, self.of_all = of_one, of_all
        self._proxies = list(proxies)
        self._client = lru_cache(_KEPT_ADDRESSES)(self._find_client)

    @property
    def least(self) -> int:
        """Return the smaller one of the two limits, or the only one; 0 without limits.

        Up to this number of connections, the guard closes none.
        """
        return min(self.of_one or self.of_all, self.of_all or self.of_one)

    def surplus(self, addresses: Mapping[str, int]) -> dict[str, int]:
        """Return the number of connections above the share, for each client that exceeds it."""
        proxies: Counter[str] = Counter()
        clients: Counter[str] = Counter()
        for address, number in addresses.items():
            is_proxy, name = self._client(address)
            (proxies if is_proxy else clients)[name] += number
        proxies_all, clients_all = sum(proxies.values()), sum(clients.values())
        share = self.of_one or clients_all
        proxy_share = proxies_all
        if self.of_all:
            others = self.of_all // _OTHERS_PART
            proxy_share = _share(proxies.values(), self.of_all - others)
            room = max(others, self.of_all - proxies_all)
            share = min(share, _share(clients.values(), room, share))
        above = {name: number - share for name, number in clients.items() if number > share}
        above |= {name: n - proxy_share for name, n in proxies.items() if n > proxy_share}
        return above

    def to_close(self, connections: Iterable[Connection]) -> list[Connection]:
        """Return the accepted connections to close, by client and in the order of `_rank`."""
        connections = list(connections)
        surplus = self.surplus(Counter(one.peer for one in connections))
        of_client: defaultdict[str, list[Connection]] = defaultdict(list)
        for one in connections:
            name = self._client(one.peer)[1]
            if name in surplus and one.inode:
                of_client[name].append(one)
        return [
            one
            for name, number in surplus.items()
            for one in sorted(of_client[name], key=_rank)[:number]
        ]

    def _find_client(self, address: str) -> tuple[bool, str]:
        """Tell whether an address is a proxy, and return the name of the client for counting."""
        found = ipaddress.ip_address(address)
        if any(found in network for network in self._proxies):
            return True, address
        if found.version == 4:
            return False, address
        prefix = found.packed[:_IPV6_PREFIX_BYTES]
        return False, f"{ipaddress.IPv6Address(prefix.ljust(16, bytes(1)))}/64"


def _share(numbers: Iterable[int], room: int, most: int | None = None) -> int:
    """Return the largest share with which all clients together fit into `room`; at least 1.

    Args:
        numbers: the number of connections of each client.
        room: the most connections of all clients together.
        most: the upper limit of the share.
    """
    have = sorted(numbers if most is None else (min(number, most) for number in numbers))
    if sum(have) <= room:
        return max(have, default=1)
    for place, number in enumerate(have):
        left = len(have) - place
        if number * left > room:
            return max(1, room // left)
        room -= number
    raise AssertionError("unreachable: they need more than there is")


def _rank(connection: Connection) -> tuple[int, int]:
    """Return the sort key: first incomplete requests, then idle connections, then active ones.

    In each group the connections with the longest silence come first: an honest client sends its
    request without a pause, so its incomplete request is the newest.
    """
    silent = min(connection.received_ms, connection.sent_ms)
    if connection.queued:
        group = 2
    elif connection.sent and connection.received_ms >= connection.sent_ms:
        group = 1  # the server has responded after the last received bytes
    elif connection.received > _HEAD_BYTES:
        group = 2
    else:
        group = 2 if connection.received and silent > HEAD_MILLISECONDS else 0
    return group, -silent
