"""The revocation of a token ends all tokens that descend from it: tests with random trees."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicekit.problems import ProblemError
from servicekit.revocations import Feed, Kind, Revocation, Revocations
from servicekit.tokens import MAX_PARENTS, Principal
from tests.unit.auth.test_tickets import exchange_requests, exchanged, principal
from wharf_auth.accounts import token_revocation
from wharf_auth.domain import token_exchange
from wharf_auth.domain.acts import Actor
from wharf_auth.domain.scopes import UnknownScope
from wharf_auth.domain.tickets import TicketError, TicketRequest
from wharf_auth.domain.token_exchange import TokenExchangeRequest

NOW = 1_800_000_000
SCOPES = frozenset({"files:read", "files:write", "files:delete"})
LISTENING = TokenExchangeRequest(scope="files:read")


@dataclass
class Made:
    """A token and the token that it was exchanged from."""

    token: Principal
    source: Made | None = None

    def line(self) -> list[Made]:
        """Return this token and its ancestors."""
        return [self, *(self.source.line() if self.source else ())]


@dataclass
class Feeding:
    """A feed that keeps its revocations in memory."""

    entries: list[Revocation] = field(default_factory=list)

    def revoke_token(
        self, tenant: str, token: str, until: int, _: object, *, with_derived: bool
    ) -> None:
        """Add the entries that `SqlFeed.revoke_token` adds; other tests check `SqlFeed`."""
        kinds: tuple[Kind, ...] = ("token", "session") if with_derived else ("token",)
        for kind in kinds:
            number = len(self.entries) + 1
            self.entries.append(
                Revocation(seq=number, kind=kind, tenant=tenant, id=token, until=until)
            )


def first(name: str, session: str = "") -> Made:
    """Return an original token, which has no parent."""
    return Made(Principal("acme", "c1", SCOPES, name, NOW + 60, NOW, session))


def grown(steps: list[tuple[int, TokenExchangeRequest | None, int]]) -> list[Made]:
    """Return all tokens of three trees: one of a client, and two of one person's session."""
    made = [first("program"), first("person-1", "session"), first("person-2", "session")]
    now = NOW
    for index, request, pause in steps:
        now += pause
        source = made[index % len(made)]
        token = exchanged(source.token, request, now) if request else heard(source.token, now)
        if token is not None:
            made.append(Made(token, source))
    return made


def heard(held: Principal, now: int) -> Principal | None:
    """Return a token for the live channel, or None when auth refuses the exchange."""
    try:
        claims = token_exchange.live_claims(held, LISTENING, issuer="i", now=now, live_seconds=40)
    except (TicketError, UnknownScope):
        return None
    return principal(claims)


def accepted(entries: list[Revocation], tokens: list[Principal]) -> list[bool]:
    """Tell for each token whether upload accepts the token after it has read the entries."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "revocations.jsonl"
        page = Feed(entries=tuple(entries), latest=len(entries))
        path.write_bytes(msgspec.json.encode(page) + b"\n")
        heard_of = Revocations(path)
        return [_is_accepted(heard_of, token) for token in tokens]


def _is_accepted(revocations: Revocations, token: Principal) -> bool:
    try:
        revocations.accepted(token)
    except ProblemError:
        return False
    return True


steps = st.lists(
    st.tuples(st.integers(0, 40), st.none() | exchange_requests, st.integers(0, 5)), max_size=14
)


@given(steps, st.integers(0, 40))
def test_all_below_a_revoked_token_ends(
    steps: list[tuple[int, TokenExchangeRequest | None, int]], chosen: int
) -> None:
    """A revocation ends the token and all its descendants, and no other token."""
    tree, feed = grown(steps), Feeding()
    revoked = tree[chosen % len(tree)].token
    token_revocation.revoke(feed, lambda: float(NOW), revoked, Actor("tester"))  # type: ignore[arg-type]
    # A ticket and its narrowed tickets share one id, so they end together.
    goes_on = [
        all(above.token.token_id != revoked.token_id for above in one.line()) for one in tree
    ]
    assert accepted(feed.entries, [one.token for one in tree]) == goes_on


@given(steps)
def test_nothing_outlives_what_it_was_made_of(
    steps: list[tuple[int, TokenExchangeRequest | None, int]],
) -> None:
    """A token gains no scope; only the ticket of an original token may expire after its parent."""
    for one in grown(steps):
        if one.source is None:
            assert one.token.is_original
            continue
        source = one.source.token
        assert not one.token.is_original
        assert one.token.scopes <= source.scopes
        assert one.token.subject == source.subject
        assert len(one.token.parents) <= MAX_PARENTS
        if one.source.source is not None or one.token.ticket is None:
            assert one.token.expires_at <= source.expires_at


def test_a_chain_has_an_end() -> None:
    """A chain of exchanged tokens has a maximum length; a ticket can be narrowed without limit."""
    held: Any = first("program").token
    for number in range(MAX_PARENTS):
        assert len(held.parents) == number
        held = exchanged(held, TokenExchangeRequest(), NOW)
    with pytest.raises(TicketError, match=f"through {MAX_PARENTS} other tokens"):
        token_exchange.claims(
            held, TokenExchangeRequest(), issuer="i", now=NOW, token_seconds=9, ticket_seconds=9
        )
    wanted = TokenExchangeRequest(ticket=TicketRequest("photos", prefix=""))
    held = first("program").token
    for _ in range(MAX_PARENTS + 2):
        held = exchanged(held, wanted, NOW)
    assert held.parents == ("program",)
