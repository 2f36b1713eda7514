"""Requests through the proxy of the operator."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from servicekit.outbound import NotAllowed, Sender, SendingFailed
from tests.servers.certificates import Certificate
from tests.servers.raw_receiver import (
    OK,
    Behaviour,
    hangs_after,
    raw_receiver,
    resets_after,
    sends,
    tunnels_to,
)

OPEN = b"HTTP/1.1 200 Connection established\r\n\r\n"
MakeSender = Callable[..., Sender]


def test_a_tunnel(sender_of: MakeSender, certificate: Certificate) -> None:
    """The proxy gets the name and the port; the receiver gets the request, inside of TLS."""
    asked = []

    def resolver(name: str) -> Sequence[str]:
        asked.append(name)
        return ["127.0.0.1"]

    with (
        raw_receiver(sends(OK), certificate) as receiver,
        raw_receiver(tunnels_to(receiver.port, OPEN)) as proxy,
    ):
        sender = sender_of(
            "", proxy=f"http://proxy:{proxy.port}", ca_file=certificate.authority, resolver=resolver
        )
        answer = sender.post(f"https://localhost:{receiver.port}/a", {"a": "b"}, b"body")
    assert (answer.status, answer.body) == (200, b"ok")
    assert asked == ["proxy"]
    authority = b"localhost:%d" % receiver.port
    assert proxy.requests == [
        b"CONNECT " + authority + b" HTTP/1.1\r\nAccept-Encoding: identity\r\n"
        b"Host: " + authority + b"\r\nUser-Agent: Wharf\r\n\r\n"
    ]
    assert receiver.requests[0].startswith(b"POST /a HTTP/1.1\r\n")
    assert receiver.requests[0].endswith(b"\r\n\r\nbody")


def test_a_tunnel_without_tls(sender_of: MakeSender) -> None:
    """A request to a host of the allow-list without TLS also goes through a tunnel."""
    with (
        raw_receiver(sends(OK)) as receiver,
        raw_receiver(tunnels_to(receiver.port, OPEN)) as proxy,
    ):
        sender = sender_of("hooks.corp:8080", proxy=f"http://127.0.0.1:{proxy.port}")
        assert sender.post("http://hooks.corp:8080", {}, b"").status == 200
    assert proxy.requests[0].startswith(b"CONNECT hooks.corp:8080 ")


def test_the_proxy_cannot_replace_the_receiver(
    sender_of: MakeSender, certificate: Certificate
) -> None:
    """The certificate is that of the receiver: a tunnel to another host is a failure."""
    with (
        raw_receiver(sends(OK), certificate) as receiver,
        raw_receiver(tunnels_to(receiver.port, OPEN)) as proxy,
    ):
        sender = sender_of(proxy=f"http://127.0.0.1:{proxy.port}", ca_file=certificate.authority)
        with pytest.raises(SendingFailed, match="mismatch"):
            sender.post("https://hooks.example", {}, b"")
    assert receiver.requests == []


@pytest.mark.parametrize("url", ["https://[2600::1]:8443", "https://169.254.169.254"])
def test_addresses_go_to_the_proxy(sender_of: MakeSender, url: str) -> None:
    """The proxy gets each permitted URL with an address, and judges the address."""
    with raw_receiver(sends(b"HTTP/1.1 407 x\r\nContent-Length: 0\r\n\r\n")) as proxy:
        sender = sender_of("", proxy=f"http://127.0.0.1:{proxy.port}")
        with pytest.raises(NotAllowed, match="proxy does not permit this host"):
            sender.post(url, {}, b"")
    host = url.removeprefix("https://")
    expected = host if ":" in host else f"{host}:443"
    assert proxy.requests[0].startswith(f"CONNECT {expected} HTTP/1.1\r\n".encode())


@pytest.mark.parametrize("status", [b"403 Forbidden", b"407 Request rejected by proxy"])
def test_the_proxy_refuses(sender_of: MakeSender, status: bytes) -> None:
    """A host that the proxy refuses is not permitted."""
    with raw_receiver(sends(b"HTTP/1.1 ", status, b"\r\n\r\n")) as proxy:
        sender = sender_of(proxy=f"http://127.0.0.1:{proxy.port}")
        with pytest.raises(NotAllowed, match="proxy does not permit this host"):
            sender.post("https://hooks.example", {}, b"")


@pytest.mark.parametrize(
    "behaviour",
    [
        sends(b"HTTP/1.1 502 Bad Gateway\r\n\r\n"),
        sends(b"HTTP/1.1 302 x\r\nLocation: http://a\r\n\r\n"),
        sends(b"HTTP/1.1 200 x\r\nA:"),
        sends(b"garbage"),
        sends(),
    ],
)
def test_the_proxy_fails(sender_of: MakeSender, behaviour: Behaviour) -> None:
    """A proxy that opens no tunnel is a failure to connect."""
    with raw_receiver(behaviour) as proxy:
        sender = sender_of(proxy=f"http://127.0.0.1:{proxy.port}")
        with pytest.raises(SendingFailed, match="proxy could not connect") as raised:
            sender.post("https://hooks.example", {}, b"")
    assert raised.value.kind == "connect"


def test_the_proxy_breaks(sender_of: MakeSender) -> None:
    """A proxy that resets the connection is a failure."""
    with raw_receiver(resets_after()) as proxy:
        sender = sender_of(proxy=f"http://127.0.0.1:{proxy.port}")
        with pytest.raises(SendingFailed, match="connection broke"):
            sender.post("https://hooks.example", {}, b"")


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 x\r\n", OPEN])
def test_the_proxy_hangs(sender_of: MakeSender, answer: bytes) -> None:
    """The deadline also limits the time of the proxy."""
    with raw_receiver(hangs_after(answer)) as proxy:
        sender = sender_of(proxy=f"http://127.0.0.1:{proxy.port}", total_seconds=0.2)
        with pytest.raises(SendingFailed, match=r"no complete answer within 0\.2 seconds"):
            sender.post("https://hooks.example", {}, b"")


def test_the_proxy_is_away(sender_of: MakeSender) -> None:
    """The failure of a proxy that cannot be reached names the proxy and not its address."""
    with raw_receiver(sends(OK)) as proxy:
        port = proxy.port
    sender = sender_of(proxy=f"http://127.0.0.1:{port}")
    with pytest.raises(SendingFailed, match=r"^the operator's proxy cannot be reached$"):
        sender.post("https://hooks.example", {}, b"")
