"""Limits of connections: for nginx as a whole, and for each address."""

from __future__ import annotations

import resource

import pytest

from wharf_gateway import connections
from wharf_gateway.settings import gateway_values
from wharf_gateway.terminal import CannotRunError

FOUR = {"WHARF_NGINX_WORKERS": "4"}


@pytest.fixture
def hard(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the hard limit of descriptors, which the process cannot raise."""
    limit = [1 << 20]

    def refused(*_: object) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "getrlimit", lambda _: (64, limit[0]))
    monkeypatch.setattr(resource, "setrlimit", refused)
    return limit


@pytest.mark.parametrize(
    ("limit", "descriptors", "most"),
    [(1 << 20, 16384, 8192), (-1, 16384, 8192), (16384, 16384, 8192), (4097, 4096, 2048)],
)
def test_connections_follow_descriptors(
    hard: list[int], limit: int, descriptors: int, most: int
) -> None:
    """nginx gets one connection for two descriptors, and at most 8,192 connections a worker."""
    hard[0] = limit
    values = gateway_values(FOUR, templates="/", as_root=False)
    assert values["WHARF_WORKER_DESCRIPTORS"] == str(descriptors)
    assert values["WHARF_WORKER_CONNECTIONS"] == str(most)
    assert connections.most_connections(FOUR) == 4 * most
    assert bool(connections.shortage()) is (most < 8192)


def test_a_limit_that_may_be_raised_is_raised(
    monkeypatch: pytest.MonkeyPatch, hard: list[int]
) -> None:
    """If a process can raise its limit of descriptors, nginx gets 8,192 connections a worker."""
    hard[0] = 1024
    asked: list[object] = []
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: asked.append(limits))
    assert connections.worker_connections() == 8192
    assert asked == [(64, 16384)]


def test_too_few_descriptors_are_said(hard: list[int]) -> None:
    """A start with too few descriptors for nginx is refused, and the message names the limit."""
    hard[0] = 255
    with pytest.raises(CannotRunError, match=r"may have 255 open files, .* LimitNOFILE"):
        gateway_values({}, templates="/", as_root=False)


@pytest.mark.parametrize(
    ("limit", "environ", "of_one"),
    [
        (1 << 20, {}, 1024),
        # The share is at most half of the connections for all clients.
        (1024, {}, 768),
        (1 << 20, {"WHARF_ADDRESS_CONNECTIONS": "300"}, 1112),
        # A high limit, as an operator sets it for a proxy, is kept.
        (1 << 20, {"WHARF_ADDRESS_CONNECTIONS": "40000"}, 80512),
        (1 << 20, {"WHARF_ADDRESS_CONNECTIONS": "20000"}, 40512),
        (1 << 20, {"WHARF_ADDRESS_OPEN_CONNECTIONS": "70"}, 70),
        (1 << 20, {"WHARF_ADDRESS_OPEN_CONNECTIONS": "0"}, 0),
    ],
)
def test_the_share_of_an_address(
    hard: list[int], limit: int, environ: dict[str, str], of_one: int
) -> None:
    """The share of an address follows the request limits, unless a setting states the share."""
    hard[0] = limit
    found = connections.shares(FOUR | environ)
    assert found.of_one == of_one
    assert found.of_all == 4 * min(8192, limit // 2) * 3 // 4
