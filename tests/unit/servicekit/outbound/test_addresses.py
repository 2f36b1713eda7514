"""Public addresses, compared with a table that was written from the registries of IANA."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from servicekit.outbound.addresses import is_public, needs_own_entry, parsed

# IANA IPv4 Special-Purpose Address Registry, multicast, and the metadata service of Azure: the
# first address and the number of addresses.
_V4 = {
    "0.0.0.0": 1 << 24,
    "10.0.0.0": 1 << 24,
    "100.64.0.0": 1 << 22,
    "127.0.0.0": 1 << 24,
    "168.63.129.16": 1,
    "169.254.0.0": 1 << 16,
    "172.16.0.0": 1 << 20,
    "192.0.0.0": 1 << 8,
    "192.0.2.0": 1 << 8,
    "192.88.99.0": 1 << 8,
    "192.168.0.0": 1 << 16,
    "198.18.0.0": 1 << 17,
    "198.51.100.0": 1 << 8,
    "203.0.113.0": 1 << 8,
    "224.0.0.0": 1 << 29,
}
# All of IPv6 outside of 2000::/3, and in it: IETF protocols with Teredo, documentation, 6to4.
_V6 = {
    "::": 1 << 125,
    "4000::": 3 << 126,
    "2001::": 1 << 105,
    "2001:db8::": 1 << 96,
    "2002::": 1 << 112,
    "3fff::": 1 << 108,
}


def in_table(number: int, table: dict[str, int]) -> bool:
    return any(0 <= number - int(ip_address(first)) < count for first, count in table.items())


def numbers(table: dict[str, int], bits: int) -> st.SearchStrategy[int]:
    """Return all numbers, and often those at the edges of the table."""
    edges = {
        edge
        for first, count in table.items()
        for at in (int(ip_address(first)), int(ip_address(first)) + count)
        for edge in (at - 1, at)
        if 0 <= edge < 1 << bits
    }
    return st.one_of(st.sampled_from(sorted(edges)), st.integers(0, (1 << bits) - 1))


@given(number=numbers(_V4, 32))
def test_public_addresses_of_ipv4(number: int) -> None:
    """An IPv4 address is public if and only if the table does not contain it."""
    address = IPv4Address(number)
    assert is_public(address) is not in_table(number, _V4)
    assert parsed(f"::ffff:{address}") == address


@given(number=numbers(_V6, 128))
@example(int(IPv6Address("64:ff9b::a00:1")))
@example(int(IPv6Address("fec0::1")))
@example(int(IPv6Address("::7f00:1")))
@example(int(IPv6Address("2001:1::1")))
@example(int(IPv6Address("2001:20::1")))
def test_public_addresses_of_ipv6(number: int) -> None:
    """An IPv6 address is public if and only if the table does not contain it."""
    assert is_public(IPv6Address(number)) is not in_table(number, _V6)


@given(
    number=st.one_of(numbers(_V4, 32).map(IPv4Address), numbers(_V6, 128).map(IPv6Address)),
)
def test_no_public_address_is_local_for_python(number: IPv4Address | IPv6Address) -> None:
    """Each public address is global for Python and outside of tunnels and translations."""
    refused = ("64:ff9b::/96", "2002::/16", "2001::/32", "fec0::/10", "192.88.99.0/24")
    if is_public(number):
        assert number.is_global
        assert not number.is_multicast
        assert not any(number in ip_network(text) for text in refused)


@pytest.mark.parametrize(
    "text",
    [
        *("127.0.0.1", "127.255.255.254", "::1", "0.0.0.0", "0.1.2.3", "::"),
        *("169.254.169.254", "fe80::1", "febf::1", "224.0.0.1", "ff02::1"),
        *("fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd20:ce::254"),
        *("::ffff:127.0.0.1", "::ffff:a9fe:a9fe", "64:ff9b::a9fe:a9fe", "64:ff9b::10.0.0.1"),
    ],
)
def test_addresses_that_no_network_opens(text: str) -> None:
    """Addresses of this machine, its link, groups and metadata need an entry of their own."""
    assert needs_own_entry(parsed(text))
    assert not is_public(parsed(text))


@pytest.mark.parametrize(
    "text", ["10.0.0.1", "192.168.0.1", "fd00::1", "8.8.8.8", "2600::1", "64:ff9b::8.8.8.8"]
)
def test_addresses_that_a_network_opens(text: str) -> None:
    """Other addresses need no entry of their own."""
    assert not needs_own_entry(parsed(text))


@pytest.mark.parametrize(
    "text", ["127.1", "0177.0.0.1", "2130706433", "fe80::1%eth0", "\uff11.1.1.1"]
)
def test_other_spellings_are_no_addresses(text: str) -> None:
    """An address in another spelling or with a zone is refused."""
    with pytest.raises(ValueError, match=r"zone|not appear to be"):
        parsed(text)
