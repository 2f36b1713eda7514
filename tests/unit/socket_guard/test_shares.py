"""Shares of connections for each address, and the order in which connections are closed."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socket_guard.connections import Connection
from socket_guard.shares import HEAD_MILLISECONDS, Shares

ROOT = Path(__file__).parents[3]
PROXIES = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("2001:db8::7")]
_PROXY = "10.0.0.7"


def test_one_address_above_its_share() -> None:
    """The surplus of an address above its share is reported, and no other address has a surplus."""
    assert Shares(100, 1000).surplus({"192.0.2.1": 130, "192.0.2.2": 100}) == {"192.0.2.1": 30}


def test_a_network_of_ipv6_is_one_client() -> None:
    """All addresses of an IPv6 /64 have one share."""
    addresses = {f"2001:db8:0:1::{number:x}": 10 for number in range(12)} | {"2001:db8:0:2::1": 90}
    assert Shares(100, 1000).surplus(addresses) == {"2001:db8:0:1::/64": 20}


def test_many_addresses_share_what_there_is() -> None:
    """Above the total limit, only the addresses with the most connections lose connections."""
    few = {f"192.0.2.{number}": 3 for number in range(10)}
    crowds = {f"198.51.100.{number}": 90 for number in range(10)}
    surplus = Shares(100, 530).surplus(few | crowds)
    assert surplus == dict.fromkeys(crowds, 40)


def test_a_proxy_has_no_share_but_not_all() -> None:
    """A proxy has no share, but an eighth of all connections is kept for other clients."""
    shares = Shares(100, 800, PROXIES)
    assert shares.surplus({_PROXY: 600, "192.0.2.1": 100}) == {}
    assert shares.surplus({_PROXY: 900, "192.0.2.1": 100}) == {_PROXY: 200}
    assert shares.surplus({_PROXY: 750, "192.0.2.1": 120}) == {_PROXY: 50, "192.0.2.1": 20}


def test_two_proxies_of_one_network_of_ipv6_are_told_apart() -> None:
    """A proxy's IPv6 address counts alone, and the other addresses of its network as one client."""
    numbers = {"2001:db8::7": 300, "2001:db8::8": 101}
    assert Shares(100, 1000, PROXIES).surplus(numbers) == {"2001:db8::/64": 1}


@pytest.mark.parametrize(
    ("of_one", "of_all", "least"), [(7, 9, 7), (0, 9, 9), (7, 0, 7), (0, 0, 0)]
)
def test_without_one_of_the_limits(of_one: int, of_all: int, least: int) -> None:
    """Each of the two limits can be omitted. Without both limits no address has a surplus."""
    shares = Shares(of_one, of_all)
    assert shares.least == least
    assert sum(shares.surplus({"192.0.2.1": 10}).values()) == 10 - (least or 10)


_NUMBERS = st.dictionaries(
    st.ip_addresses(v=4).map(str), st.integers(1, 300), min_size=1, max_size=40
)


@given(_NUMBERS, st.integers(1, 200), st.integers(320, 3000))
def test_what_is_left_is_fair(numbers: dict[str, int], of_one: int, of_all: int) -> None:
    """After the cut all limits hold; no client has more than a client that lost connections."""
    shares = Shares(of_one, of_all, PROXIES)
    surplus = shares.surplus(numbers)
    left = {name: number - surplus.get(name, 0) for name, number in numbers.items()}
    assert sum(left.values()) <= of_all
    assert min(left.values()) >= 1
    clients = {name: n for name, n in left.items() if not name.startswith("10.")}
    assert max(clients.values(), default=0) <= of_one
    gave = [left[name] for name in surplus if name in clients]
    assert all(number == max(clients.values()) for number in gave)


def connection(cookie: int, **what: int) -> Connection:
    """Return a connection of one address. By default nginx has accepted the connection."""
    counts = {"received": what.pop("received", 0), "sent": what.pop("sent", 0)}
    return Connection(cookie, what.pop("inode", 1), "192.0.2.1", **counts, **what)


def test_half_sent_requests_go_first() -> None:
    """Unfinished requests are closed first, then idle connections, and then active connections."""
    in_order = [
        connection(1, received_ms=9000, sent_ms=9000),
        connection(2, received=80, received_ms=8000, sent_ms=9000),
        connection(3, received=300, sent=500, received_ms=4, sent_ms=4000),
        connection(4, received=300, sent=500, received_ms=90_000, sent_ms=90_000),
        connection(5, received=300, sent=500, received_ms=70_000, sent_ms=60_000),
        connection(6, received=300, sent=500, received_ms=50_000, sent_ms=50_000, queued=9),
        # A request with a slow response, or a live channel that last received something from its
        # client.
        connection(7, received=900, sent=500, received_ms=24_000, sent_ms=25_000),
        connection(8, received=70_000, received_ms=10, sent_ms=5000),
    ]
    for number in range(1, len(in_order)):
        shares = Shares(len(in_order) - number, 1000)
        closed = [one.cookie for one in shares.to_close(reversed(in_order))]
        assert closed == list(range(1, number + 1))


def test_a_head_of_a_request_ends_earlier() -> None:
    """nginx's timeout for the head of a request is shorter than the guard's limit for the head."""
    text = (ROOT / "deploy/nginx/conf.d/timeouts.conf.template").read_text()
    found = re.search(r"^client_header_timeout (\d+)s;$", text, re.MULTILINE)
    assert found is not None
    assert 1000 * int(found[1]) < HEAD_MILLISECONDS


def test_what_is_not_accepted_yet_counts_and_stays() -> None:
    """A connection that nginx has not accepted counts, but cannot be closed: it has no socket."""
    crowd = [connection(number, inode=number % 2) for number in range(10)]
    closed = Shares(4, 100).to_close(crowd)
    assert Counter(one.inode for one in closed) == {1: 5}
