"""The hosts and networks of the operator that tenants may reach, next to public addresses."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Network, ip_network
from typing import Self

from servicekit.outbound.addresses import (
    Address,
    Network,
    needs_own_entries,
    needs_own_entry,
)
from servicekit.outbound.errors import NotAllowed
from servicekit.outbound.urls import Host, host_of, ipv6_host, port_of

_MAPPED = IPv6Network("::ffff:0:0/96")


@dataclass(frozen=True)
class AllowList:
    """Hosts, each with a port or `None` for all permitted ports, and networks."""

    hosts: frozenset[tuple[Host, int | None]] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the list of a text such as `10.20.0.0/16 hooks.corp:8443 [2001:db8::5]:9000`.

        Raises:
            ValueError: an entry is wrong; the message names the entry and the reason.
        """
        hosts: set[tuple[Host, int | None]] = set()
        networks: list[Network] = []
        for entry in text.split():
            try:
                if "/" in entry:
                    networks.append(_network(entry))
                else:
                    hosts.add(_host(entry))
            except (NotAllowed, ValueError) as error:
                raise ValueError(f"{entry}: {error}") from None
        return cls(frozenset(hosts), tuple(networks))

    @property
    def opens_addresses(self) -> bool:
        """Tell whether an entry is a network or an address, which hosts of any name may have."""
        return bool(self.networks) or any(host.address for host, _ in self.hosts)

    def names_port(self, host: Host, port: int) -> bool:
        """Tell whether an entry names exactly this host and this port."""
        return (host, port) in self.hosts

    def names(self, host: Host, port: int) -> bool:
        """Tell whether an entry names this host, with this port or without a port."""
        return (host, port) in self.hosts or (host, None) in self.hosts

    def names_address(self, address: Address, port: int) -> bool:
        """Tell whether an entry names this address."""
        return self.names(Host(str(address), address), port)

    def includes(self, address: Address) -> bool:
        """Tell whether a network opens this address."""
        return not needs_own_entry(address) and any(address in one for one in self.networks)


def _network(entry: str) -> Network:
    network = ip_network(entry)  # its errors name the reason
    if isinstance(network, IPv6Network) and network.overlaps(_MAPPED) and network.prefixlen >= 96:
        raise ValueError("write the network as an IPv4 network")
    if needs_own_entries(network):
        raise ValueError(
            "a network opens no loopback, link-local, multicast or metadata address: name each host"
        )
    return network


def _host(entry: str) -> tuple[Host, int | None]:
    if entry.count(":") > 1 and not entry.startswith("["):
        return ipv6_host(entry), None
    if entry.startswith("["):
        text, bracket, port = entry[1:].partition("]")
        if not bracket:
            raise ValueError("the bracket ] is missing")
        return ipv6_host(text), port_of(port) if port else None
    text, colon, port = entry.partition(":")
    return host_of(text), port_of(colon + port) if colon else None
