"""Trusted proxies: the gateway's configuration, and settings that the gateway refuses."""

from __future__ import annotations

import pytest

from wharf_gateway import nginx_program, trusted_proxies
from wharf_gateway.connections import shares
from wharf_gateway.run_settings import RunSettings
from wharf_gateway.settings import gateway_values
from wharf_gateway.terminal import CannotRunError

ONE = {"WHARF_TRUSTED_PROXIES": "192.0.2.7"}


def test_networks() -> None:
    """The setting accepts addresses and networks of IPv4 and IPv6, with any spaces."""
    found = trusted_proxies.networks({"WHARF_TRUSTED_PROXIES": " 10.1.0.0/16,192.0.2.7 , ::1,"})
    assert list(map(str, found)) == ["10.1.0.0/16", "192.0.2.7/32", "::1/128"]
    found = trusted_proxies.networks({"WHARF_TRUSTED_PROXIES": "::ffff:192.0.2.7,::FFFF:a01:0/112"})
    assert list(map(str, found)) == ["192.0.2.7/32", "10.1.0.0/16"]


@pytest.mark.parametrize(
    "word",
    [
        *("proxy.example.net", "10.0.0.0/40", "10.1.2.3/8", "10.0.0.1:80", "a;b"),
        *("0.0.0.0/0", "::/0", "::ffff:0:0/96"),
    ],
)
@pytest.mark.parametrize("name", ["WHARF_TRUSTED_PROXIES", "WHARF_PROXY_ADDRESSES"])
def test_what_is_no_proxy(word: str, name: str) -> None:
    """A host name, a malformed network, and a network of all addresses are refused."""
    with pytest.raises(CannotRunError, match=f"{name}='{word}'"):
        gateway_values({name: f"10.0.0.1,{word}"}, templates="/", as_root=False)


def test_without_proxies() -> None:
    """Without proxies no header field is trusted, and nginx expects no PROXY line."""
    values = gateway_values({}, templates="/", as_root=False)
    assert values["WHARF_PROXY_TRUST"] == values["WHARF_LISTEN_PROXY"] == ""
    assert values["WHARF_CLIENT_ADDRESS"] == "client_address"


def test_one_source_is_believed() -> None:
    """The gateway trusts either the header field, or a PROXY line on each connection."""
    values = gateway_values(ONE, templates="/", as_root=False)
    trust = "set_real_ip_from 192.0.2.7/32;\nreal_ip_header {};\nreal_ip_recursive on;"
    assert values["WHARF_PROXY_TRUST"] == trust.format("X-Forwarded-For")
    assert values["WHARF_LISTEN_PROXY"] == ""
    assert not RunSettings(ONE, root="/").speaks_proxy
    lines = ONE | {"WHARF_PROXY_HEADER": "PROXY"}
    values = gateway_values(lines, templates="/", as_root=False)
    assert values["WHARF_PROXY_TRUST"] == trust.format("proxy_protocol")
    assert values["WHARF_LISTEN_PROXY"] == " proxy_protocol"
    assert RunSettings(lines, root="/").speaks_proxy


def test_behind_the_balancer() -> None:
    """With a front door the gateway reads the header field, and expects no proxy's PROXY line."""
    behind = ONE | {"WHARF_FRONT_DOOR": "/run/wharf/front/a.sock"}
    lines = behind | {"WHARF_PROXY_HEADER": "PROXY"}
    values = trusted_proxies.template_values(lines)
    assert values["WHARF_LISTEN_PROXY"] == values["WHARF_PROXY_TRUST"] == ""
    assert values["WHARF_CLIENT_ADDRESS"] == "client_address"
    assert not RunSettings(lines, root="/").speaks_proxy
    values = trusted_proxies.template_values(behind)
    assert values["WHARF_CLIENT_ADDRESS"] == "forwarded_address"
    assert values["WHARF_PROXY_TRUST"] == ""
    assert "192.0.2.7/32 proxy;" in values["WHARF_FORWARDED_HOPS"]


@pytest.mark.parametrize(
    ("environ", "error"),
    [
        (
            {"WHARF_PROXY_HEADER": "X-Real-IP"},
            "allowed is one of X-Forwarded-For, Forwarded, PROXY",
        ),
        ({"WHARF_PROXY_HEADER": "PROXY", "WHARF_TRUSTED_PROXIES": ""}, "names no proxy"),
        ({"WHARF_PROXY_HEADER": "Forwarded"}, "nginx before 1.23 reads only the first"),
    ],
)
def test_headers_that_are_refused(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], error: str
) -> None:
    """An unknown header, PROXY without proxies, and a field this nginx misreads are refused."""
    monkeypatch.setattr(nginx_program, "version", lambda _: (1, 22, 1))
    with pytest.raises(CannotRunError, match=error):
        trusted_proxies.template_values(ONE | environ)


def test_the_old_name() -> None:
    """Proxies in the old setting have no limit of connections and no trust, and a message names
    the new setting.
    """
    old = {"WHARF_PROXY_ADDRESSES": "192.0.2.7"}
    assert gateway_values(old, templates="/", as_root=False)["WHARF_PROXY_TRUST"] == ""
    assert not shares(old).surplus({"192.0.2.7": 1025})
    assert shares({}).surplus({"192.0.2.7": 1025})
    assert "set WHARF_TRUSTED_PROXIES instead" in trusted_proxies.advice(old)
    assert not trusted_proxies.advice(ONE)
