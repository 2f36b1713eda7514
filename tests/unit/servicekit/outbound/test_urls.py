"""URLs of tenants: each has one reading, or it is refused."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicekit.outbound import NotAllowed
from servicekit.outbound.urls import target_of

NAME = "not a name of letters"
NUMBER = "a number, but not an IPv4 address"
CHARACTER = "a character that URLs do not have"
PORT = "not a number from 1 to 65535"


@pytest.mark.parametrize(
    ("url", "scheme", "host", "port", "path", "field"),
    [
        ("https://a.example", "https", "a.example", 443, "/", "a.example"),
        ("HTTPS://A.Example/X", "https", "a.example", 443, "/X", "a.example"),
        ("http://hooks", "http", "hooks", 80, "/", "hooks"),
        ("http://hooks:8080/a", "http", "hooks", 8080, "/a", "hooks:8080"),
        ("https://a.example:443/", "https", "a.example", 443, "/", "a.example"),
        ("http://a:443", "http", "a", 443, "/", "a:443"),
        ("https://a?b=c&d=/e", "https", "a", 443, "/?b=c&d=/e", "a"),
        ("https://a/b%20c/../d?@", "https", "a", 443, "/b%20c/../d?@", "a"),
        ("https://xn--bcher-kva.example", "https", "xn--bcher-kva.example", 443, "/", None),
        ("https://my_service.1a", "https", "my_service.1a", 443, "/", None),
        ("https://192.0.2.1:8443/", "https", "192.0.2.1", 8443, "/", "192.0.2.1:8443"),
        ("https://[2600::0:1]:65535", "https", "2600::1", 65535, "/", "[2600::1]:65535"),
        ("https://[2600::1]", "https", "2600::1", 443, "/", "[2600::1]"),
        ("https://[::ffff:10.0.0.1]/", "https", "10.0.0.1", 443, "/", "10.0.0.1"),
        ("https://[::ffff:a00:1]/", "https", "10.0.0.1", 443, "/", "10.0.0.1"),
    ],
)
def test_the_parts_of_a_url(
    url: str, scheme: str, host: str, port: int, path: str, field: str | None
) -> None:
    """A URL has a scheme and a host in lower case, a port, and a path with its query."""
    target = target_of(url)
    assert (target.scheme, target.host.name) == (scheme, host)
    assert (target.port, target.path) == (port, path)
    assert target.authority == (field or host)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", CHARACTER),
        ("https://" + "a" * 2041, "more than 2048 characters"),
        *((f"https://a{one}b/", CHARACTER) for one in '\t\n\r\0 \\"<>^`{|}\x7f'),
        *((f"{one}https://a", CHARACTER) for one in (" ", "\t", "\0")),
        ("https://a/\r\nHost: b", CHARACTER),
        ("https://bücher.example", CHARACTER),
        ("https://\uff11\uff12\uff17.0.0.1", CHARACTER),
        ("https://127\u30020\u30020\u30021", CHARACTER),
        ("https://a\u200b.example", CHARACTER),
        ("ftp://a", "does not begin with https://"),
        ("//a", "does not begin with https://"),
        ("https:/a", "does not begin with https://"),
        ("https:a", "does not begin with https://"),
        ("javascript://a", "does not begin with https://"),
        ("https://a#b", "has a fragment"),
        ("https://a#@b", "has a fragment"),
        ("https://a@b", "a user or a password"),
        ("https://a:b@c", "a user or a password"),
        ("https://@b", "a user or a password"),
        ("https://a%40b", NAME),
        ("https://", NAME),
        ("https:///a", NAME),
        ("https://:443", NAME),
        ("https://a.", NAME),
        ("https://a.example.:443", NAME),
        ("https://127.0.0.1.", NAME),
        ("https://.a", NAME),
        ("https://a..b", NAME),
        ("https://-a", NAME),
        ("https://a-.b", NAME),
        ("https://a%2eb", NAME),
        ("https://a*b", NAME),
        ("https://a,b", NAME),
        (f"https://{'a' * 64}", NAME),
        (f"https://{'a.' * 127}a", NAME),
        ("https://127.1", NUMBER),
        ("https://0x7f.1", NUMBER),
        ("https://0x7f000001", NUMBER),
        ("https://0177.0.0.1", NUMBER),
        ("https://2130706433", NUMBER),
        ("https://1.2.3.4.5", NUMBER),
        ("https://256.0.0.1", NUMBER),
        ("https://a.0x", NUMBER),
        ("https://127.0.0.01", NUMBER),
        ("https://[127.0.0.1]", "not an IPv6 address"),
        ("https://[fe80::1%25eth0]", "not an IPv6 address"),
        ("https://[fe80::1%eth0]", "not an IPv6 address"),
        ("https://[v1.a]", "not an IPv6 address"),
        ("https://[a.example]", "not an IPv6 address"),
        ("https://[]", "not an IPv6 address"),
        ("https://[::1", "no valid host"),
        ("https://[::1]a", "no valid host"),
        ("https://a[::1]", "no valid host"),
        ("https://::1", PORT),
        ("https://a:", PORT),
        ("https://a:/b", PORT),
        ("https://a:0", PORT),
        ("https://a:65536", PORT),
        ("https://a:99999999999999999999", PORT),
        ("https://a:0443", PORT),
        ("https://a:+443", PORT),
        ("https://a:44 3", CHARACTER),
        ("https://a:443:443", PORT),
        ("https://a:b", PORT),
        ("https://a:%34%34%33", PORT),
        ("https://a/[b]", "the path has"),
        ("https://a/%", "the path has"),
        ("https://a/%zz", "the path has"),
        ("https://a?%0", "the path has"),
    ],
)
def test_a_url_with_two_readings_is_refused(url: str, reason: str) -> None:
    """A URL that programs read differently is refused with the reason."""
    with pytest.raises(NotAllowed, match=reason):
        target_of(url)


@given(rest=st.text("aZ019.:/@[]%?#-_\\\t\n x;&=\uff12é", max_size=16))
def test_the_standard_parser_reads_the_same(rest: str) -> None:
    """Python's parser finds the same scheme, host, port and path in each accepted URL."""
    url = f"hTTps://{rest}"
    try:
        target = target_of(url)
    except NotAllowed:
        return
    parts = urlsplit(url)
    assert parts.scheme == target.scheme
    assert parts.hostname == target.host.name
    assert (parts.port or 443) == target.port
    query = f"?{parts.query}" if "?" in url else ""
    assert (parts.path or "/") + query == target.path
    assert (parts.username, parts.password, parts.fragment) == (None, None, "")
