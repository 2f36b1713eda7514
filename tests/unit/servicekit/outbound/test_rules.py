"""The rules: which URLs are permitted, and which addresses their hosts may have."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import pytest

from servicekit.outbound import AllowList, NotAllowed, Rules, Sender, SendingFailed
from servicekit.outbound.errors import DnsUnavailable

HTTPS = "does not begin with https://"
PORT = "use 443 or a port from 1024 up"
PUBLIC = "not public, and the operator has not allowed it"
ALLOW = "10.20.0.0/16 hooks.corp:8443 low.corp:25 any.corp 10.1.1.1 10.1.1.2:9000"
DNS = {
    "public.example": ["203.0.114.1", "2600::1"],
    "private.example": ["10.9.9.9"],
    "mixed.example": ["203.0.114.1", "10.9.9.9"],
    "mapped.example": ["::ffff:10.9.9.9"],
    "loop.example": ["127.0.0.1"],
    "link.example": ["fe80::1%eth0"],
    "metadata.example": ["169.254.169.254"],
    "nat64.example": ["64:ff9b::a00:1"],
    "inside.example": ["10.20.1.1"],
    "one.example": ["10.1.1.1"],
    "port.example": ["10.1.1.2"],
    "hooks.corp": ["127.0.0.1"],
    "any.corp": ["169.254.169.254"],
    "low.corp": ["127.0.0.1"],
    "database": ["10.20.0.5"],
    "database.example": ["10.20.0.5"],
    "redis.example": ["10.20.0.6"],
    "own-public.example": ["203.0.114.7"],
}


def resolver(name: str) -> Sequence[str]:
    if name not in DNS:
        raise OSError(-2, "Name or service not known")
    return DNS[name]


def sender(allow: str = ALLOW, refused: Sequence[str] = (), proxy: str | None = None) -> Sender:
    return Sender(
        Rules(allow=AllowList.parse(allow), refused=refused, proxy=proxy), resolver=resolver
    )


@pytest.mark.parametrize(
    "url",
    [
        "https://public.example",
        "https://public.example:1024",
        "https://public.example:65535/a?b",
        "https://inside.example",
        "http://inside.example:8080",
        "http://10.20.1.1:8080",
        "https://one.example:5000",
        "http://one.example:5000",
        "http://port.example:9000",
        "https://hooks.corp:8443",
        "http://hooks.corp:8443",
        "http://any.corp:8080",
        "http://low.corp:25",
        "https://203.0.114.1",
        "https://[2600::1]",
    ],
)
def test_permitted(url: str) -> None:
    """A URL with https and public addresses, or with entries of the allow-list, is permitted."""
    sender().check(url, resolve=True)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://public.example:8080", PUBLIC),
        ("https://public.example:80", PORT),
        ("https://public.example:1023", PORT),
        ("https://public.example:22", PORT),
        ("https://inside.example:80", PORT),
        ("https://any.corp:25", PORT),
        ("http://any.corp", PORT),
        ("https://private.example", PUBLIC),
        ("https://mixed.example", PUBLIC),
        ("https://mapped.example", PUBLIC),
        ("https://loop.example", PUBLIC),
        ("https://link.example", PUBLIC),
        ("https://metadata.example", PUBLIC),
        ("https://nat64.example", PUBLIC),
        ("https://port.example:9001", PUBLIC),
        ("https://hooks.corp", PUBLIC),
        ("https://low.corp:2500", PUBLIC),
        ("https://10.9.9.9", PUBLIC),
        ("https://[::ffff:10.9.9.9]", PUBLIC),
        ("http://10.9.9.9:8080", HTTPS),
        ("http://203.0.114.1:8080", HTTPS),
    ],
)
def test_not_permitted(url: str, reason: str) -> None:
    """Another URL is refused with a reason, which does not contain the addresses of its host."""
    with pytest.raises(NotAllowed, match=reason) as raised:
        sender().check(url, resolve=True)
    for address in ("10.9.9.9", "169.254", "127.0.0.1", "64:ff9b"):
        assert address not in str(raised.value)


@pytest.mark.parametrize(
    "url", ["http://public.example:8080", "http://10.20.1.1:8080", "http://hooks.corp:8443"]
)
def test_plain_http_needs_the_allow_list(url: str) -> None:
    """Without an allow-list, no URL with http is permitted."""
    with pytest.raises(NotAllowed, match=HTTPS):
        sender("").check(url)


def test_addresses_are_checked_on_demand() -> None:
    """A check without `resolve` accepts a name without asking for its addresses."""
    sender().check("https://private.example")
    sender().check("https://unknown.example")


def test_an_address_in_the_url_is_always_checked() -> None:
    """A check without `resolve` refuses an address that is not permitted."""
    with pytest.raises(NotAllowed, match=PUBLIC):
        sender().check("https://169.254.169.254")


@pytest.mark.parametrize("answer", [None, []])
def test_a_name_without_an_address_fails(answer: list[str] | None) -> None:
    """A name that DNS does not know is a failure of sending, and the rules do not refuse it."""
    own = Sender(Rules(), resolver=lambda name: answer if answer is not None else resolver(name))
    with pytest.raises(SendingFailed, match=r"no address of unknown\.example") as raised:
        own.check("https://unknown.example", resolve=True)
    assert raised.value.kind == "dns"


@pytest.mark.parametrize(
    ("code", "kind"), [(socket.EAI_AGAIN, DnsUnavailable), (socket.EAI_NONAME, SendingFailed)]
)
def test_dns_that_does_not_answer(code: int, kind: type[SendingFailed]) -> None:
    """A resolver without an answer of DNS raises another error than an unknown name."""

    def failing(name: str) -> list[str]:
        raise socket.gaierror(code, name)

    with pytest.raises(SendingFailed) as raised:
        Sender(Rules(), resolver=failing).check("https://unknown.example", resolve=True)
    assert type(raised.value) is kind


@pytest.mark.parametrize(
    "url",
    [
        "https://database",
        "https://database.example",
        "https://redis.example:6379",
        "https://10.20.0.5",
        "http://10.20.0.6:8080",
        "https://own-public.example",
    ],
)
def test_no_network_opens_own_parts(url: str) -> None:
    """Neither a network nor a public address leads to Wharf's own parts, by name or by address."""
    own = sender(refused=["database", "10.20.0.6", "203.0.114.7", "2600::7"])
    own.check("https://inside.example", resolve=True)
    with pytest.raises(NotAllowed, match=PUBLIC):
        own.check(url, resolve=True)


@pytest.mark.parametrize(
    ("entry", "url"),
    [
        ("database.example", "https://database.example"),
        ("database:5432", "http://database:5432"),
        ("10.20.0.5", "https://database.example"),
        ("10.20.0.5:8443", "https://10.20.0.5:8443"),
    ],
)
def test_an_entry_of_one_host_opens_own_parts(entry: str, url: str) -> None:
    """An entry of one host opens this host, even if Wharf's own part has its address."""
    sender(f"10.20.0.0/16 {entry}", refused=["database"]).check(url, resolve=True)


def test_own_parts_are_resolved_once_a_minute() -> None:
    """The addresses of own parts are kept for a minute, and longer if DNS does not know them."""
    now, known, asked = [0.0], [["10.20.0.9"]], []

    def own_resolver(name: str) -> Sequence[str]:
        if name != "scanner":
            return ["10.20.0.9"]
        asked.append(name)
        return known[0]

    rules = Rules(allow=AllowList.parse("10.20.0.0/16"), refused=["scanner"])
    own = Sender(rules, resolver=own_resolver, clock=lambda: now[0])
    for at, addresses, permitted, questions in (
        (0.0, ["10.20.0.9"], False, 1),
        (59.0, ["10.20.0.8"], False, 1),
        (60.0, [], False, 2),
        (120.0, ["10.20.0.8"], True, 3),
    ):
        now[0], known[0] = at, addresses
        try:
            own.check("https://inside.example", resolve=True)
        except NotAllowed:
            assert not permitted
        else:
            assert permitted
        assert len(asked) == questions


@pytest.mark.parametrize(
    "url", ["https://private.example", "https://10.9.9.9", "https://unknown.example"]
)
def test_a_proxy_judges_addresses(url: str) -> None:
    """With a proxy, a URL is permitted without its addresses."""
    sender(proxy="http://proxy:4750").check(url, resolve=True)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://inside.example:8080", HTTPS),
        ("https://public.example:80", PORT),
        ("https://a@public.example", "a user or a password"),
        ("https://127.1", "not an IPv4 address"),
        ("https://database", PUBLIC),
    ],
)
def test_a_proxy_does_not_replace_the_rules_of_urls(url: str, reason: str) -> None:
    """With a proxy, a URL needs https or a named host, a permitted port and a usual spelling."""
    with pytest.raises(NotAllowed, match=reason):
        sender(proxy="http://proxy:4750", refused=["database"]).check(url)


@pytest.mark.parametrize(
    ("proxy", "reason"),
    [
        ("https://proxy:4750", "write the proxy as http://host:port"),
        ("http://proxy:4750/a", "write the proxy as http://host:port"),
        ("proxy:4750", "does not begin with http://"),
        ("http://a:b@proxy:4750", "a user or a password"),
    ],
)
def test_a_wrong_proxy_is_refused(proxy: str, reason: str) -> None:
    """Rules with a wrong proxy raise an error that names the proxy and the reason."""
    with pytest.raises(ValueError, match=f"{proxy}: .*{reason}"):
        Rules(proxy=proxy)


@pytest.mark.parametrize("host", ["redis:6379", "10.0.0.0/8", ""])
def test_a_wrong_own_part_is_refused(host: str) -> None:
    """Rules with an own part that is no name and no address raise an error."""
    with pytest.raises(ValueError, match="the host"):
        Rules(refused=[host])
