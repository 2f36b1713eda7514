"""nginx takes the client's address only from trusted proxies."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from tests.servers.nginx import RunningGateway, running
from tests.servers.uwsgi_apps import serving
from tests.servers.wharf.raw_http import RawAnswer, head, parse, until
from wharf_gateway import nginx_program, readiness

# 127.0.0.1 and two more networks are trusted proxies. Other addresses of this machine are not.
TRUSTED = "127.0.0.1, 10.0.0.0/8, 2001:db8:ffff::/48"
STRANGER = "127.0.0.2"
CLIENT, OTHER = "203.0.113.7", "203.0.113.8"
BURST = 4


class Proxied:
    """A gateway behind proxies, and a service that returns the address that it receives."""

    def __init__(self, gateway: RunningGateway) -> None:
        self.gateway = gateway

    def ask(self, *fields: str, begin: str = "", source: str = "127.0.0.1") -> RawAnswer:
        """Send one request on a separate connection."""
        address = ("127.0.0.1", self.gateway.port)
        with socket.create_connection(address, 30, source_address=(source, 0)) as client:
            return _ask(client, begin, fields)

    def ask_balanced(self, peer: str, *fields: str) -> RawAnswer:
        """Send one request as the balancer of two replicas sends it, on behalf of `peer`."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(30)
            client.connect(f"{self.gateway.sockets}/front.sock.nginx")
            return _ask(client, _proxy_line(peer), fields)

    def seen(self, *fields: str, **connection: str) -> str:
        """Return the client's address that the service receives."""
        return str(self.ask(*fields, **connection).headers["X-Seen"])


def _ask(client: socket.socket, begin: str, fields: Iterable[str]) -> RawAnswer:
    client.sendall(begin.encode() + head("GET /v1/usage HTTP/1.1", "Connection: close", *fields))
    return parse(b"".join(iter(partial(client.recv, 65536), b"")))[0]


def _proxy_line(address: str) -> str:
    return f"PROXY {'TCP6' if ':' in address else 'TCP4'} {address} {address} 1 2\r\n"


def _service(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    start("200 OK", [("X-Seen", environ["REMOTE_ADDR"])])
    return []


WAYS = {
    "field": {},
    # In this mode the gateway refuses nginx 1.22, which reads only the first of several fields.
    "standard": {"WHARF_PROXY_HEADER": "Forwarded"},
    "line": {"WHARF_PROXY_HEADER": "PROXY"},
    "balancer": {"WHARF_FRONT_DOOR": "{sockets}/front.sock"},
}


@contextmanager
def _proxied(folder: Path, way: str, **settings: str) -> Iterator[Proxied]:
    settings |= {"WHARF_TRUSTED_PROXIES": TRUSTED} | WAYS[way]
    settings = {name: text.format(sockets=f"{folder}/sockets") for name, text in settings.items()}
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(nginx_program, "version", return_value=(1, 23, 0)))
        gateway = stack.enter_context(running(folder, folder / "data", settings))
        stack.enter_context(serving(gateway.sockets / "upload.sock", _service))
        yield Proxied(gateway)


@pytest.fixture(scope="module")
def by_field(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    """Yield a gateway behind proxies that write X-Forwarded-For."""
    with _proxied(tmp_path_factory.mktemp("field"), "field") as found:
        yield found


@pytest.fixture(scope="module")
def by_standard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    """Yield a gateway behind proxies that write Forwarded."""
    with _proxied(tmp_path_factory.mktemp("standard"), "standard") as found:
        yield found


@pytest.fixture(scope="module")
def by_line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    """Yield a gateway behind proxies that speak the PROXY protocol."""
    with _proxied(tmp_path_factory.mktemp("line"), "line") as found:
        yield found


@pytest.fixture(scope="module")
def by_balancer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    """Yield a replica behind a balancer, which is behind proxies that write X-Forwarded-For."""
    with _proxied(tmp_path_factory.mktemp("balancer"), "balancer") as found:
        yield found


@pytest.fixture(scope="module", params=["field", "standard", "balancer"])
def strict(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Proxied]:
    """Yield a gateway with a low limit for each address, for several kinds of proxies."""
    limits = {
        "WHARF_ADDRESS_REQUESTS_PER_SECOND": "1",
        "WHARF_ADDRESS_REQUESTS_BURST": str(BURST),
    }
    with _proxied(tmp_path_factory.mktemp("strict"), request.param, **limits) as found:
        yield found


# The field that the proxy sends, and the address that the service then receives.
CHAINS = [
    (CLIENT, CLIENT),
    # The elements that the client wrote itself come first.
    (f"198.51.100.1, {CLIENT}", CLIENT),
    (f"198.51.100.1, {CLIENT}, 10.1.2.3,2001:db8:ffff::1", CLIENT),
    ("2001:db8::1", "2001:db8::1"),
    (f"{CLIENT}:4711", CLIENT),
    ("[2001:db8::1]:4711", "2001:db8::1"),
    (f"::ffff:{CLIENT}", CLIENT),
    # An element that no proxy writes is no address: the gateway uses the last known proxy's
    # address.
    (f"{CLIENT}, nonsense", "127.0.0.1"),
    (f"{CLIENT}, unknown, 10.1.2.3", "10.1.2.3"),
    ("", "127.0.0.1"),
    ("," * 5000, "127.0.0.1"),
]


@pytest.mark.parametrize(("sent", "client"), CHAINS)
def test_a_field_of_proxies(by_field: Proxied, sent: str, client: str) -> None:
    """The client's address is the last address in X-Forwarded-For that is not a trusted proxy's."""
    assert by_field.seen(f"X-Forwarded-For: {sent}") == client


@pytest.mark.parametrize(("sent", "client"), CHAINS)
def test_a_field_behind_the_balancer(by_balancer: Proxied, sent: str, client: str) -> None:
    """The gateway trusts a proxy in front of the balancer like a proxy in front of the gateway."""
    answer = by_balancer.ask_balanced("10.0.0.1", f"X-Forwarded-For: {sent}")
    assert answer.headers["X-Seen"] == client.replace("127.0.0.1", "10.0.0.1")


def test_clients_of_the_balancer_are_not_believed(by_balancer: Proxied) -> None:
    """The gateway ignores the address fields of a client that connects to the balancer directly."""
    fields = [f"X-Forwarded-For: {OTHER}", f"Forwarded: for={OTHER}", f"X-Wharf-Address: {OTHER}"]
    assert by_balancer.ask_balanced(CLIENT, *fields).headers["X-Seen"] == CLIENT


@pytest.mark.parametrize(
    ("sent", "client"),
    [
        (f"for={CLIENT}", CLIENT),
        (f'For="{CLIENT}:4711";proto=https', CLIENT),
        ('proto=https;FOR="[2001:db8::1]:4711";by=_proxy', "2001:db8::1"),
        (f'for=198.51.100.1, for={CLIENT};host="a,for=198.51.100.1;b="', CLIENT),
        (f'for={CLIENT};a=",", for="10.1.2.3";x=y ,proto=http;for="[2001:db8:ffff::1]"', CLIENT),
        # A quote that the client leaves open does not hide the elements that the proxy appends.
        (f'for=198.51.100.1;host=", for={CLIENT};proto=https', CLIENT),
        (f'for=198.51.100.1;host=", for="{CLIENT}";host=";a=b"', CLIENT),
        (f'for=198.51.100.1;host="\\", for={CLIENT}', CLIENT),
        ("for=unknown", "127.0.0.1"),
        ('for="_hidden"', "127.0.0.1"),
        (f"for=unknown;for={CLIENT}", "127.0.0.1"),
        (f"for={CLIENT}, nonsense", "127.0.0.1"),
        (CLIENT, "127.0.0.1"),
    ],
)
def test_the_standard_field(by_standard: Proxied, sent: str, client: str) -> None:
    """The gateway reads the client's address in Forwarded (RFC 7239), with quotes,
    ports and hidden names.
    """
    assert by_standard.seen(f"Forwarded: {sent}", f"X-Forwarded-For: {OTHER}") == client


def test_a_long_chain_ends(by_standard: Proxied) -> None:
    """In a chain of more than five proxies, the gateway uses the fifth address from the end."""
    chain = ", ".join(["for=198.51.100.1", *[f"for=10.0.0.{n}" for n in range(1, 7)]])
    assert by_standard.seen(f"Forwarded: {chain}") == "10.0.0.2"


def test_a_line_of_a_proxy(by_line: Proxied) -> None:
    """A trusted proxy's PROXY line names the client, and header fields do not."""
    fields = [f"X-Forwarded-For: {OTHER}", f"Forwarded: for={OTHER}"]
    assert by_line.seen(*fields, begin=_proxy_line(CLIENT)) == CLIENT
    assert by_line.seen(*fields, begin=_proxy_line("2001:db8::1")) == "2001:db8::1"
    assert by_line.seen(*fields, begin=_proxy_line(CLIENT), source=STRANGER) == STRANGER
    assert by_line.seen(*fields, begin="PROXY UNKNOWN\r\n") == "127.0.0.1"


def test_the_gateways_own_questions(by_line: Proxied) -> None:
    """If the gateway requires a PROXY line, its probes send one, and requests without one fail."""
    port = by_line.gateway.port
    assert readiness.get("127.0.0.1", port, "/readyz", speaks_proxy=True)[0] == 200
    assert readiness.get("127.0.0.1", port, "/readyz")[0] == 0
    assert by_line.gateway.gateway.settings.speaks_proxy


def test_strangers_are_not_believed(strict: Proxied) -> None:
    """Header fields of a peer that is not trusted change neither its address nor its limit."""
    answers = [
        strict.ask(f"X-Forwarded-For: 203.0.113.{n}", f"Forwarded: for={OTHER}", source=STRANGER)
        for n in range(BURST + 3)
    ]
    assert {one.headers["X-Seen"] for one in answers if one.status == 200} == {STRANGER}
    assert answers[-1].status == 429


def _by_proxy(strict: Proxied, client: str) -> RawAnswer:
    quoted = f'"[{client}]"' if ":" in client else client
    return strict.ask(f"X-Forwarded-For: {client}", f"Forwarded: for={quoted}")


@pytest.mark.parametrize(
    ("network", "other"),
    [
        (["2001:db8:0:1::{}", "2001:db8:0:1:{}:2:3:4"], "2001:db8:0:2::1"),
        (["2001:db8::{}", "2001:db8:0:0:{}:2:3:4", "2001:db8::{}:2:3:4"], "2001:db8:1::1"),
        (["64:0:0:7::{}", "64::7:{}:2:3:4"], "64::8:1:2:3:4"),
        (["64:0:7:8::{}", "64::7:8:{}:2:3:4"], "64::7:9:1:2:3:4"),
        (["64:7:0:8::{}", "64:7::8:{}:2:3:4"], "64:8::8:1:2:3:4"),
        (["64:8:9::{}", "64:8:9::{}:2:3:4"], "64:8:9:1::1"),
        (["0:0:0:7::{}", "::7:{}:2:3:4"], "::8:1:2:3:4"),
        (["0:0:7:8::{}", "::7:8:{}:2:3:4"], "::7:9:1:2:3:4"),
        (["0:7:8:9::{}", "::7:8:9:{}:2:3:4"], "::7:8:8:1:2:3:4"),
        (["::{}:1:2:3", "0:0:0:0:{}::"], "0:0:0:1::1"),
    ],
)
def test_networks_of_clients(strict: Proxied, network: list[str], other: str) -> None:
    """nginx limits an IPv6 network of 64 bits as one client, in any notation of its addresses."""
    addresses = [one.format(n) for n in range(1, BURST + 3) for one in network]
    answers = [_by_proxy(strict, address).status for address in addresses]
    assert answers[: BURST + 1] == [200] * (BURST + 1)
    assert answers[-1] == 429
    assert _by_proxy(strict, other).status == 200


def test_clients_behind_one_proxy(strict: Proxied) -> None:
    """Each client behind a proxy has a separate limit.

    An IPv4 address and its IPv6 form are the same client.
    """
    addresses = ["192.0.2.1", "::ffff:192.0.2.1"] * 4
    answers = [_by_proxy(strict, address).status for address in addresses]
    assert (answers[0], answers[-1]) == (200, 429)
    assert _by_proxy(strict, "192.0.2.2").status == 200
    answers = [_by_proxy(strict, "::ffff:c612:1").status for _ in range(BURST + 3)]
    assert (answers[0], answers[-1]) == (200, 429)
    assert _by_proxy(strict, "::ffff:c612:2").status == 200


def test_several_fields_of_one_name(by_field: Proxied, by_balancer: Proxied) -> None:
    """When a proxy adds a field instead of an element, the gateway reads all fields as one list."""
    fields = [f"X-Forwarded-For: {one}" for one in ("198.51.100.1", CLIENT, "10.1.2.3")]
    hidden = f"X_Forwarded_For: {OTHER}"
    assert by_field.seen(*fields, hidden) == CLIENT
    assert by_balancer.ask_balanced("10.0.0.1", *fields, hidden).headers["X-Seen"] == CLIENT


def test_the_log_names_the_client(by_field: Proxied) -> None:
    """A line of the log has the client's address, not the proxy's."""
    by_field.ask("X-Forwarded-For: 192.0.2.2", "X-Request-Id: behind-one-proxy")

    def logged() -> list[str]:
        lines = by_field.gateway.output.read_text().splitlines()
        return [json.loads(line)["address"] for line in lines if "behind-one-proxy" in line]

    assert until(lambda: logged() == ["192.0.2.2"])
