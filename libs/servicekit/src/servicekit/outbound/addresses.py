"""The IP addresses that tenants may reach: the public ones.

Python's `is_global` differs between its releases, and calls some addresses global that lead into
the network of the operator: tunnels and translations of IPv4 addresses.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# The only part of IPv6 from which IANA gives addresses to hosts on the internet. For example,
# NAT64, fec0::/10 (site-local) and ::/96 (compatible with IPv4) are outside.
_IPV6_UNICAST = IPv6Network("2000::/3")
_NOT_PUBLIC: tuple[Network, ...] = (
    IPv4Network("192.0.0.0/24"),  # IETF protocols; before Python 3.11.10 most of it is global
    IPv4Network("192.88.99.0/24"),  # relays of 6to4
    IPv6Network("2001::/23"),  # IETF protocols; Teredo is 2001::/32
    IPv6Network("2001:db8::/32"),  # documentation
    IPv6Network("2002::/16"),  # 6to4
    IPv6Network("3fff::/20"),  # documentation; global before Python 3.13
)
# A NAT64 gateway connects to the IPv4 address in the last 32 bits.
_NAT64 = IPv6Network("64:ff9b::/96")
# No network of an allow-list opens these addresses: this machine, its link, groups of machines, and
# the services of clouds that give credentials to the machine.
_OWN_ENTRY: tuple[Network, ...] = (
    IPv4Network("0.0.0.0/8"),
    IPv4Network("127.0.0.0/8"),
    IPv4Network("169.254.0.0/16"),  # link-local, with the metadata of most clouds
    IPv4Network("224.0.0.0/4"),
    IPv6Network("::/128"),
    IPv6Network("::1/128"),
    IPv6Network("fe80::/10"),
    IPv6Network("ff00::/8"),
    IPv4Network("100.100.100.200/32"),  # metadata of Alibaba
    IPv4Network("168.63.129.16/32"),  # Azure
    IPv4Network("192.0.0.192/32"),  # Oracle
    IPv6Network("fd00:ec2::254/128"),  # AWS
    IPv6Network("fd20:ce::254/128"),  # Google
)


def parsed(text: str) -> Address:
    """Return an address; an IPv4 address that is written as IPv6 becomes IPv4.

    Raises:
        ValueError: the text is no address in its usual spelling.
    """
    address = ip_address(text)
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            raise ValueError(f"{text} has a zone")
        return address.ipv4_mapped or address
    return address


def is_public(address: Address) -> bool:
    """Tell whether an address is on the internet, so that tenants may reach it."""
    if needs_own_entry(address) or not address.is_global:
        return False
    if isinstance(address, IPv6Address) and address not in _IPV6_UNICAST:
        return False
    return not any(address in network for network in _NOT_PUBLIC)


def needs_own_entry(address: Address) -> bool:
    """Tell whether only an allow-list's entry of this host opens an address, and no network."""
    if address in _NAT64:
        return not is_public(IPv4Address(int(address) & 0xFFFF_FFFF))
    return any(address in network for network in _OWN_ENTRY)


def needs_own_entries(network: Network) -> bool:
    """Tell whether no address of a network can be opened by an entry of the network."""
    return any(
        network.network_address in one and network.broadcast_address in one for one in _OWN_ENTRY
    )
