"""The networks of client addresses, by which limits count clients."""

from __future__ import annotations

import ipaddress

#: The prefix length of the IPv6 network of one client, which may use all addresses in it.
IPV6_PREFIX_BITS = 64
#: The prefix length of the IPv6 network that a provider often gives to one customer. It contains
#: 65,536 networks of clients.
IPV6_SITE_BITS = 48
UNKNOWN = "unknown"


def network_of(address: str) -> str:
    """Return the network of an address: the IPv4 address, or the /64 of an IPv6 address.

    One IPv6 host may use any address in its /64. An IPv4 address may be written as an IPv6 address.
    Return `UNKNOWN` for a text that is no address.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return UNKNOWN
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        network = ipaddress.IPv6Network((parsed, IPV6_PREFIX_BITS), strict=False)
        return str(network.network_address)
    return str(parsed)


def site_of(network: str) -> str | None:
    """Return the /48 of a network from `network_of`; `None` for an IPv4 address or `UNKNOWN`."""
    if ":" not in network:
        return None
    return str(ipaddress.IPv6Network((network, IPV6_SITE_BITS), strict=False))
