"""Addresses of clients, as they count for limits."""

from __future__ import annotations

import ipaddress

#: One client has an IPv6 network of this length, and any number of addresses in it.
IPV6_PREFIX_BITS = 64
#: One customer of a provider often has one of this length: 65,536 of the others.
IPV6_SITE_BITS = 48
UNKNOWN = "unknown"


def network_of(address: str) -> str:
    """Return the address as it counts: of IPv6 the /64, since one host owns as many as it likes.

    An IPv4 address may be written as one of IPv6. What is no address is one client.
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
    """Return the /48 that a network of `network_of` is in; an IPv4 address is in none."""
    if ":" not in network:
        return None
    return str(ipaddress.IPv6Network((network, IPV6_SITE_BITS), strict=False))
