"""The allow-list of the operator: hosts with or without a port, and networks."""

from __future__ import annotations

import pytest

from servicekit.outbound import AllowList
from servicekit.outbound.addresses import parsed
from servicekit.outbound.urls import Host, target_of

ALLOW = AllowList.parse(
    "10.20.0.0/16  hooks.corp:8443\n[2001:db8::5]:9000 fd00::/8 any.corp 10.1.1.1 ::1"
)


def host(url: str) -> tuple[Host, int]:
    target = target_of(url)
    return target.host, target.port


@pytest.mark.parametrize(
    ("url", "is_named"),
    [
        ("https://hooks.corp:8443", True),
        ("https://HOOKS.corp:8443", True),
        ("https://hooks.corp", False),
        ("https://a.hooks.corp:8443", False),
        ("https://any.corp", True),
        ("https://any.corp:9", True),
        ("https://[2001:db8:0::5]:9000", True),
        ("https://[2001:db8::5]:9001", False),
        ("https://10.1.1.1:1", True),
        ("https://[::ffff:10.1.1.1]", True),
        ("https://[::1]:80", True),
        ("https://10.20.0.1", False),
    ],
)
def test_an_entry_names_a_host(url: str, is_named: bool) -> None:  # noqa: FBT001
    """An entry names one host, with its port or with all ports."""
    assert ALLOW.names(*host(url)) is is_named


@pytest.mark.parametrize(
    ("address", "is_included"),
    [
        ("10.20.255.255", True),
        ("::ffff:10.20.0.0", True),
        ("10.21.0.0", False),
        ("fd00::1", True),
        ("fd00:ec2::254", False),
        ("10.1.1.1", False),
        ("fe00::1", False),
    ],
)
def test_a_network_opens_its_addresses(address: str, is_included: bool) -> None:  # noqa: FBT001
    """A network opens the addresses in it, but no metadata of clouds."""
    assert ALLOW.includes(parsed(address)) is is_included


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1", "::1", "fe80::1", "ff02::1", "::"],
)
def test_the_largest_network_opens_no_local_address(address: str) -> None:
    """Networks of all addresses open no loopback, link-local, unspecified or multicast address."""
    everything = AllowList.parse("0.0.0.0/0 ::/0")
    assert not everything.includes(parsed(address))
    assert everything.includes(parsed("192.168.1.1"))
    assert everything.includes(parsed("fd00::1"))


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("10.20.0.1/16", "has host bits set"),
        ("10.20.0.0/33", "not appear to be an IPv4 or IPv6 network"),
        ("hooks.corp/16", "not appear to be an IPv4 or IPv6 network"),
        ("10.20.0.0/16:8443", "not appear to be an IPv4 or IPv6 network"),
        ("::ffff:10.0.0.0/104", "write the network as an IPv4 network"),
        ("::ffff:0:0/96", "write the network as an IPv4 network"),
        ("127.0.0.0/8", "name each host"),
        ("127.0.0.1/32", "name each host"),
        ("169.254.169.0/24", "name each host"),
        ("fe80::/64", "name each host"),
        ("fd00:ec2::254/128", "name each host"),
        ("https://hooks.corp", "not appear to be an IPv4 or IPv6 network"),
        ("*.corp", "not a name of letters"),
        ("hooks.corp.", "not a name of letters"),
        ("\u212aooks.corp", "not a name of letters"),
        ("127.1", "not an IPv4 address"),
        ("hooks.corp:", "not a number from 1 to 65535"),
        ("hooks.corp:0", "not a number from 1 to 65535"),
        ("hooks.corp:65536", "not a number from 1 to 65535"),
        ("[::1", "the bracket ] is missing"),
        ("[::1]9000", "not a number from 1 to 65535"),
        ("[10.0.0.1]", "not an IPv6 address"),
        ("fe80::1%eth0", "not an IPv6 address"),
        (":8443", "not a name of letters"),
    ],
)
def test_a_wrong_entry_is_named(entry: str, reason: str) -> None:
    """The error for a wrong entry names the entry and the reason."""
    with pytest.raises(ValueError, match=reason) as raised:
        AllowList.parse(f"good.corp {entry} 10.0.0.0/8")
    assert str(raised.value).startswith(f"{entry}: ")


def test_an_empty_list_opens_nothing() -> None:
    """An empty text is a list without entries."""
    assert AllowList.parse(" \n") == AllowList()
    assert not AllowList().opens_addresses
