"""Narrowing of upload tickets: a ticket never allows more than its source (row 77)."""

# ruff: noqa: RUF001 -- letters of other scripts.

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicekit.ids import uuid7_hex
from servicekit.tickets import Ticket
from servicekit.tokens import PARENTS, Principal
from servicekit.type_patterns import matches
from wharf_auth.domain import scopes, tickets, token_exchange
from wharf_auth.domain.tickets import TicketError, TicketRequest
from wharf_auth.domain.token_exchange import TokenExchangeRequest

KEYS = ["a", "a/b", "a/b/c.png", "ab", "b", "a/bc"]
PREFIXES = ["", "a", "a/", "a/b", "a/b/", "b"]
TYPES = ["image/png", "image/jpeg", "text/plain", "IMAGE/PNG"]
PATTERNS = ["*/*", "image/*", "Image/*", "image/png", "text/plain", "text/*"]
REDIRECTS = ["https://a.example/", "https://a.example/x", "http://b.example:8080/?y=1"]
SCOPES = ["files:read", "files:write", "files:delete"]

wanted_tickets = st.builds(
    TicketRequest,
    bucket=st.sampled_from(["photos", "photos", "photos", "papers"]),
    key=st.none() | st.sampled_from(KEYS),
    prefix=st.none() | st.sampled_from(PREFIXES),
    methods=st.none()
    | st.lists(st.sampled_from(["PUT", "POST"]), min_size=1, unique=True).map(tuple),
    max_file_bytes=st.none() | st.integers(1, 5),
    allowed_types=st.lists(st.sampled_from(PATTERNS), max_size=2).map(tuple),
    max_files=st.none() | st.integers(1, 5),
    redirect=st.none() | st.lists(st.sampled_from(REDIRECTS), max_size=2).map(tuple),
    create_only=st.booleans(),
)
exchange_requests = st.builds(
    TokenExchangeRequest,
    scope=st.none() | st.lists(st.sampled_from(SCOPES), unique=True).map(" ".join),
    ticket=st.none() | wanted_tickets,
    life_seconds=st.none() | st.integers(1, 100),
)
# Attempts to use a ticket, drawn from all possible requests.
attempts = st.fixed_dictionaries(
    {
        "bucket": st.sampled_from(["photos", "papers"]),
        "key": st.sampled_from(KEYS),
        "method": st.sampled_from(["PUT", "POST"]),
        "size": st.integers(0, 6),
        "count": st.integers(1, 6),
        "media_type": st.sampled_from(TYPES),
        "redirect": st.none() | st.sampled_from(REDIRECTS),
        "replaces": st.booleans(),
    }
)


def allows(ticket: Ticket | None, attempt: dict[str, Any]) -> bool:
    """Tell whether upload would allow the attempt with the ticket. `None` stands for no ticket."""
    if ticket is None:
        return True
    key = attempt["key"]
    replaces = ticket.key is not None and not ticket.create_only
    return (
        attempt["bucket"] == ticket.bucket
        and (key == ticket.key if ticket.key is not None else key.startswith(ticket.prefix))
        and attempt["method"] in ticket.methods
        and (ticket.max_file_bytes is None or attempt["size"] <= ticket.max_file_bytes)
        and (ticket.max_files is None or attempt["count"] <= ticket.max_files)
        and (
            not ticket.allowed_types
            or any(matches(one, attempt["media_type"]) for one in ticket.allowed_types)
        )
        and (attempt["redirect"] is None or attempt["redirect"] in ticket.redirect)
        and (replaces or not attempt["replaces"])
    )


def principal(claims: dict[str, Any]) -> Principal:
    """Return the principal that a verifier computes from a token's claims."""
    ticket = claims.get("ticket")
    return Principal(
        claims["tid"],
        claims["sub"],
        frozenset(claims["scope"].split()),
        claims["jti"],
        claims["exp"],
        claims["iat"],
        claims.get("sid", ""),
        None if ticket is None else msgspec.convert(ticket, Ticket),
        parents=tuple(claims.get(PARENTS, ())),
    )


def exchanged(held: Principal, request: TokenExchangeRequest, now: int) -> Principal | None:
    """Return the token of one exchange, or `None` when it is refused."""
    try:
        made = token_exchange.claims(
            held, request, issuer="i", now=now, token_seconds=50, ticket_seconds=80
        )
    except (TicketError, scopes.UnknownScope):
        return None
    return principal(made)


@given(
    st.lists(st.tuples(exchange_requests, st.integers(0, 30)), min_size=1, max_size=6),
    st.lists(attempts, min_size=5, max_size=30),
    st.sampled_from(["", "session-1"]),
)
def test_no_chain_of_exchanges_widens(
    chain: list[tuple[TokenExchangeRequest, int]],
    tried: list[dict[str, Any]],
    session: str,
) -> None:
    """Each token of a chain allows no more than its parent allows, and has the same account."""
    now = 1000
    held = Principal("acme", "c1", frozenset(SCOPES[:2]), uuid7_hex(), now + 60, now, session)
    first = held
    for request, pause in chain:
        now += pause
        made = exchanged(held, request, now)
        if made is None:
            continue
        assert (made.tenant, made.subject) == (held.tenant, held.subject)
        assert made.scopes <= held.scopes
        assert made.session == (session or first.token_id)
        if held.ticket is not None:
            assert made.ticket is not None
            assert made.token_id == held.token_id
        if not held.is_original or made.ticket is None:
            assert made.expires_at <= held.expires_at
        assert now < made.expires_at <= now + 80
        for attempt in tried:
            assert allows(held.ticket, attempt) or not allows(made.ticket, attempt)
        held = made


@given(wanted_tickets, attempts)
def test_a_first_ticket_allows_what_was_asked_for(
    wanted: TicketRequest, attempt: dict[str, Any]
) -> None:
    """A ticket of an original token allows exactly what was requested."""
    try:
        made = tickets.ticket(wanted, None)
    except TicketError:
        assert (wanted.key is None) == (wanted.prefix is None)
        return
    asked = Ticket(
        bucket=wanted.bucket,
        key=wanted.key,
        prefix=wanted.prefix,
        methods=wanted.methods or ("PUT", "POST"),
        max_file_bytes=wanted.max_file_bytes,
        allowed_types=wanted.allowed_types,
        max_files=wanted.max_files,
        redirect=wanted.redirect or (),
        create_only=wanted.create_only,
    )
    assert allows(made, attempt) == allows(asked, attempt)


def test_a_ticket_for_a_prefix_does_not_learn_to_replace() -> None:
    """A ticket that may only create files cannot replace one after it is narrowed to a key."""
    narrowed = tickets.ticket(
        TicketRequest("photos", key="a/b"), Ticket(bucket="photos", prefix="a/")
    )
    assert (narrowed.key, narrowed.create_only) == ("a/b", True)
    assert not tickets.ticket(TicketRequest("photos", key="a/b"), None).create_only


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[]", "not acceptable"),
        ("[" * 5000, "not"),
        ('{"prefix": ""}', "bucket"),
        ('{"bucket": "photos"}', "Send a key or a prefix"),
        ('{"bucket": "photos", "key": "a", "prefix": ""}', "a key and a prefix"),
        ('{"bucket": "Photos", "prefix": ""}', "bucket name"),
        ('{"bucket": "photos", "key": "../x"}', "segment"),
        ('{"bucket": "photos", "key": ""}', "segment"),
        ('{"bucket": "photos", "prefix": "/x"}', "segment"),
        ('{"bucket": "photos", "prefix": "a//"}', "segment"),
        ('{"bucket": "photos", "key": "a\\u202eb"}', "U.202E RIGHT-TO-LEFT OVERRIDE at position 2"),
        ('{"bucket": "photos", "prefix": "a\\u200db"}', "U.200D ZERO WIDTH JOINER at position 2"),
        ('{"bucket": "photos", "prefix": "", "methods": []}', "methods"),
        ('{"bucket": "photos", "prefix": "", "methods": ["DELETE"]}', "methods"),
        ('{"bucket": "photos", "prefix": "", "max_files": 0}', "max_files"),
        ('{"bucket": "photos", "prefix": "", "max_files": -1}', "max_files"),
        ('{"bucket": "photos", "prefix": "", "max_files": true}', "max_files"),
        ('{"bucket": "photos", "prefix": "", "max_file_bytes": 9223372036854775808}', "bytes"),
        ('{"bucket": "photos", "prefix": "", "max_file_bytes": "7"}', "bytes"),
        ('{"bucket": "photos", "prefix": "", "allowed_types": ["png"]}', "media type"),
        ('{"bucket": "photos", "prefix": "", "allowed_types": "image/*"}', "allowed_types"),
        ('{"bucket": "photos", "prefix": "", "allowed_types": ["text/javascript"]}', "No file"),
        ('{"bucket": "photos", "prefix": "", "sizes": 1}', "sizes"),
    ],
)
def test_nonsense_is_named(text: str, why: str) -> None:
    """A malformed ticket is refused with a message that names the mistake."""
    with pytest.raises(TicketError, match=why):
        tickets.ticket(tickets.read(text), None)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/done",
        "//evil.example/",
        "javascript:alert(1)",
        "ftp://a.example/",
        "https:///x",
        "https://user@a.example/",
        "https://a.example/#top",
        "https://a.example/\r\nSet-Cookie: x=1",
        "https://a.example/ b",
        "https://a.example\\@evil.example/",
        "https://ä.example/",
        "https://a.example:0/",
        "https://a.example:99999/",
        "https://[::1/",
        "https://a.example/" + "x" * 2000,
    ],
)
def test_redirects_are_plain_absolute_addresses(url: str) -> None:
    """A redirect that browsers could read in two ways is refused."""
    with pytest.raises(TicketError, match="cannot be redirected to"):
        tickets.ticket(TicketRequest("photos", prefix="", redirect=(url,)), None)


@pytest.mark.parametrize("url", REDIRECTS)
def test_ordinary_redirects_are_taken(url: str) -> None:
    """A redirect by http or https may have a port, a path and a query."""
    made = tickets.ticket(TicketRequest("photos", prefix="", redirect=(url, url)), None)
    assert made.redirect == (url,)


@pytest.mark.parametrize("name", ["می\u200cخواهم.txt", "👩\u200d💻/", "می\u200c"])
def test_names_of_all_languages(name: str) -> None:
    """A ticket's prefix may contain joiners of its language and may end inside a word."""
    assert tickets.ticket(TicketRequest("photos", prefix=name), None).prefix == name


def test_names_are_normalised() -> None:
    """A ticket's key is stored in Unicode NFC, as the file's key is."""
    made = tickets.ticket(TicketRequest("photos", key="cafe\u0301.png"), None)
    assert made.key == "caf\u00e9.png"
