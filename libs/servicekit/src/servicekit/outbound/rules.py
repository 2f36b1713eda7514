"""The rules of the operator for the URLs of tenants and for the addresses of their hosts."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from servicekit.outbound.addresses import Address, is_public
from servicekit.outbound.allow_list import AllowList
from servicekit.outbound.errors import NotAllowed
from servicekit.outbound.proxies import Proxy
from servicekit.outbound.urls import Host, Target, host_of, ipv6_host

_FIRST_FREE_PORT = 1024
_NOT_PUBLIC = "the host has an address that is not public, and the operator has not allowed it"


@dataclass(frozen=True)
class Rules:
    """The rules for all requests of a process.

    Attributes:
        allow: the hosts and networks of the operator that tenants may reach.
        proxy: the URL of an HTTP proxy that connects, and that judges addresses instead of us.
        ca_file: authorities that are trusted in addition to those of the system.
        refused: names and addresses of Wharf's own parts, which no network in `allow` opens.

    Raises:
        ValueError: the proxy or a refused host is wrong.
    """

    allow: AllowList = field(default_factory=AllowList)
    proxy: str | None = None
    ca_file: Path | None = None
    refused: Collection[str] = ()

    def __post_init__(self) -> None:
        """Check the proxy and the refused hosts."""
        _ = self.parsed_proxy, self.refused_hosts

    @cached_property
    def parsed_proxy(self) -> Proxy | None:
        """Return the proxy if there is one."""
        return None if self.proxy is None else Proxy.parse(self.proxy)

    @cached_property
    def refused_hosts(self) -> frozenset[Host]:
        """Return Wharf's own parts."""
        return frozenset(ipv6_host(text) if ":" in text else host_of(text) for text in self.refused)

    def check_target(self, target: Target) -> None:
        """Check a URL without the addresses of its host; raise `NotAllowed`."""
        host, port = target.host, target.port
        is_named = self.allow.names(host, port)
        if not target.is_encrypted and not is_named and not self._may_be_plain(host):
            raise NotAllowed("the URL does not begin with https://")
        if port != 443 and port < _FIRST_FREE_PORT and not self.allow.names_port(host, port):
            raise NotAllowed(f"port {port} is not allowed: use 443 or a port from 1024 up")
        if is_named:
            return
        if host in self.refused_hosts:
            raise NotAllowed(_NOT_PUBLIC)
        if host.address and self.proxy is None:
            self.check_addresses(target, [host.address], own=())

    def _may_be_plain(self, host: Host) -> bool:
        """Tell whether the operator's entries may open the addresses of a host."""
        if host.address:
            return self.allow.includes(host.address)
        return self.proxy is None and self.allow.opens_addresses

    def check_addresses(
        self, target: Target, addresses: Collection[Address], own: Collection[Address]
    ) -> None:
        """Check all addresses of a URL's host; raise `NotAllowed` if one is not permitted.

        Args:
            target: the URL, which `check_target` has accepted.
            addresses: the addresses of its host.
            own: the addresses of Wharf's own parts.
        """
        if self.allow.names(target.host, target.port):
            return
        for address in addresses:
            if not self._permits(target, address, own):
                raise NotAllowed(_NOT_PUBLIC)

    def _permits(self, target: Target, address: Address, own: Collection[Address]) -> bool:
        if self.allow.names_address(address, target.port):
            return True
        if address in own:
            return False
        if self.allow.includes(address):
            return True
        return target.is_encrypted and is_public(address)
