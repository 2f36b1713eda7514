"""How many connections each address may have, and which of them go first.

A server that takes a bounded number of connections is closed to everybody once a few addresses have
all of them, and a request that is only half sent costs its sender nothing. So each address has a
limit, and all together have one: above it those with most give first, until all that are left have
room. Of one address those go first whose requests are half sent.
"""

from __future__ import annotations

import ipaddress
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache

from socket_guard.connections import Connection

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Of all room so much is never a proxy's: others come as well.
_OTHERS_PART = 8
# The head of a request is shorter; whoever has sent more brings a body.
_HEAD_BYTES = 1 << 16
#: Longer than a server waits for the rest of it: whoever is silent for so long waits for an answer.
HEAD_MILLISECONDS = 16_000
# One client has a network of this length, and any number of addresses in it.
_IPV6_PREFIX_BYTES = 8
_KEPT_ADDRESSES = 1 << 14


class Shares:
    """The shares of addresses in a server's connections.

    Clients are told apart by IPv4 address, or by IPv6 network of 64 bits.

    Args:
        of_one: connections of one client; 0: it has no limit of its own.
        of_all: connections of all together; 0: there is none.
        proxies: networks whose addresses speak for others: each has no limit of its own.
    """

    def __init__(self, of_one: int, of_all: int, proxies: Iterable[Network] = ()) -> None:
        self.of_one, self.of_all = of_one, of_all
        self._proxies = list(proxies)
        self._client = lru_cache(_KEPT_ADDRESSES)(self._find_client)

    @property
    def least(self) -> int:
        """With so many connections, whosever they are, there is nothing to do; 0: never."""
        return min(self.of_one or self.of_all, self.of_all or self.of_one)

    def surplus(self, addresses: Mapping[str, int]) -> dict[str, int]:
        """By how many each client is above its share; those within it are not named."""
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
        """Those above the shares, in the order of `_rank`; none that is not accepted yet."""
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
        """Whether it is a proxy, and the name under which it is counted."""
        found = ipaddress.ip_address(address)
        if any(found in network for network in self._proxies):
            return True, address
        if found.version == 4:
            return False, address
        prefix = found.packed[:_IPV6_PREFIX_BYTES]
        return False, f"{ipaddress.IPv6Address(prefix.ljust(16, bytes(1)))}/64"


def _share(numbers: Iterable[int], room: int, most: int | None = None) -> int:
    """The largest share for which there is room when nobody has more; at least 1.

    Args:
        numbers: what each has now.
        room: for all of them.
        most: a share is never larger.
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
    """Sorts half-sent requests first, then idle connections, then what is under way.

    In each group those go first on which nothing has happened for the longest time: an honest
    request is sent at once, and is then the newest of the half-sent ones.
    """
    silent = min(connection.received_ms, connection.sent_ms)
    if connection.queued:
        group = 2
    elif connection.sent and connection.received_ms >= connection.sent_ms:
        group = 1  # it was answered after its last bytes came
    elif connection.received > _HEAD_BYTES:
        group = 2
    else:
        group = 2 if connection.received and silent > HEAD_MILLISECONDS else 0
    return group, -silent
