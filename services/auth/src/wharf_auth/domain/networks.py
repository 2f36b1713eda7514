"""Addresses of clients, as they count for limits."""

from __future__ import annotations

import ipaddress


def network_of(address: str) -> str:
    """The address as it counts: of IPv6 the /64, since one host owns as many as it likes."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.IPv6Network((parsed, 64), strict=False).network_address)
    return str(parsed)
