"""Networks of client addresses. Limits count by network."""

from __future__ import annotations

import pytest

from servicekit.networks import network_of, site_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::1", "2001:db8:1:2::"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", "unknown"),
        ("unix:", "unknown"),
        ("fe80::1%eth0", "fe80::"),
    ],
)
def test_one_client_has_one_network(address: str, network: str) -> None:
    """All IPv6 addresses of one /64 count as one network."""
    assert network_of(address) == network


@pytest.mark.parametrize(
    ("network", "site"),
    [
        ("2001:db8:1:2::", "2001:db8:1::/48"),
        ("fe80::", "fe80::/48"),
        ("192.0.2.1", None),
        ("unknown", None),
    ],
)
def test_networks_of_ipv6_have_a_site(network: str, site: str | None) -> None:
    """An IPv6 network belongs to the /48 of a provider's customer; an IPv4 address has no site."""
    assert site_of(network) == site
