"""Token exchange (RFC 8693): from a token to a narrower one, never to a wider one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import msgspec

from servicekit.grants_claim import GrantsClaim
from servicekit.ids import uuid7_hex
from servicekit.reach import EVERYTHING, Reach
from servicekit.tickets import CLAIM, Ticket
from servicekit.tokens import MAX_PARENTS, PARENTS, Principal
from wharf_auth.domain import scopes, tickets, tokens
from wharf_auth.domain.tickets import TicketError, TicketRequest

TICKET_SCOPE = "files:write"
# What decides which events and whose progress a listener hears.
LIVE_SCOPES = ("files:read", "files:write", "events:read")


@dataclass(frozen=True)
class TokenExchangeRequest:
    """What is asked for; `None` where nothing is said. `life_seconds` is an upper bound."""

    scope: str | None = None
    ticket: TicketRequest | None = None
    life_seconds: int | None = None


def claims(
    held: Principal,
    request: TokenExchangeRequest,
    *,
    issuer: str,
    now: int,
    token_seconds: int,
    ticket_seconds: int,
) -> dict[str, Any]:
    """The claims of the narrower token; raises `TicketError` or `scopes.UnknownScope`.

    `held` is what was verified, with the scopes, grants and reach that its bearer has now: a ticket
    allows nothing outside.

    A ticket may outlive an original token: that one could have been renewed, and a page stays open
    longer than a token lives. It lives `ticket_seconds` at most. Everything else ends with what it
    was made from, so no chain goes on for ever.

    What is made names its parents, and ends with each of them. A ticket that is narrowed keeps its
    `jti`: uses are counted, and the ticket is revoked, for the whole chain. Otherwise `sid` is the
    session of a person or the `jti` of the first token, with which all ends as well
    (see `accounts/token_revocation.py`).
    """
    given = _ticket(held, request)
    granted = _scopes(held, request, given)
    outlives = given is not None and held.is_original
    bound = ticket_seconds if outlives else held.expires_at - now
    life = min(bound, request.life_seconds or token_seconds)
    if life <= 0:
        raise TicketError("The token ends this very second.")
    made = tokens.claims(
        issuer=issuer,
        tenant=held.tenant,
        subject=held.subject,
        scopes=granted,
        now=now,
        ttl_seconds=life,
        # The feed may be silent by the time it is used.
        grants=held.grants,
    )
    made["jti"] = uuid7_hex() if held.ticket is None else held.token_id
    made["sid"] = held.session or held.token_id
    if parents := _parents(held):
        made[PARENTS] = parents
    if given is not None:
        made[CLAIM] = msgspec.to_builtins(given)
    return made


def live_claims(
    held: Principal, request: TokenExchangeRequest, *, issuer: str, now: int, live_seconds: int
) -> dict[str, Any]:
    """The claims of a token that only listens; raises `TicketError` or `scopes.UnknownScope`.

    It ends with the token that it was made from, at the latest, and is exchanged for nothing.
    """
    if held.ticket is not None or request.ticket is not None:
        raise TicketError("A ticket does not listen: there is none with the audience live.")
    heard = scopes.ordered(held.scopes.intersection(LIVE_SCOPES))
    if not heard:
        raise scopes.UnknownScope("the token has no scope that lets it hear anything")
    narrowed = replace(
        request, life_seconds=min(live_seconds, request.life_seconds or live_seconds)
    )
    listener = msgspec.structs.replace(held, scopes=frozenset(heard))
    made = claims(
        listener, narrowed, issuer=issuer, now=now, token_seconds=live_seconds, ticket_seconds=0
    )
    return {**made, "aud": tokens.LIVE_AUDIENCE}


def first_ticket(
    given: Ticket,
    *,
    issuer: str,
    tenant: str,
    subject: str,
    now: int,
    life_seconds: int,
    claim: GrantsClaim | None = None,
    reach: Reach = EVERYTHING,
) -> dict[str, Any]:
    """The claims of a ticket that an operator makes without a token; raises `TicketError`.

    `claim` and `reach` are those of the client whose ticket it is to be.
    """
    _require_reached(reach, given)
    made = tokens.claims(
        issuer=issuer,
        tenant=tenant,
        subject=subject,
        scopes=(TICKET_SCOPE,),
        now=now,
        ttl_seconds=life_seconds,
        grants=claim,
    )
    return {**made, CLAIM: msgspec.to_builtins(given)}


def _parents(held: Principal) -> list[str]:
    """Return the ids of the tokens that the new one is made from; raises `TicketError`."""
    if held.ticket is not None:
        return list(held.parents)
    if len(held.parents) >= MAX_PARENTS:
        raise TicketError(
            f"The subject_token was made over {MAX_PARENTS} other tokens, and no chain is longer; "
            "exchange an earlier one."
        )
    return [*held.parents, held.token_id]


def _ticket(held: Principal, request: TokenExchangeRequest) -> Ticket | None:
    if request.ticket is None:
        return held.ticket
    given = tickets.ticket(request.ticket, held.ticket)
    _require_reached(held.reach, given)
    return given


def _require_reached(reach: Reach, given: Ticket) -> None:
    """Raise `TicketError` where a ticket would allow uploads that its maker may not make."""
    if given.key is not None:
        is_reached = reach.allows("write", given.bucket, given.key)
    else:
        is_reached = reach.covers("write", given.bucket, given.prefix or "")
    if not is_reached:
        raise TicketError("The ticket is for keys that its maker's grants do not let it write.")


def _scopes(
    held: Principal, request: TokenExchangeRequest, given: Ticket | None
) -> tuple[str, ...]:
    if given is None:
        return scopes.narrowed(scopes.known(held.scopes), request.scope)
    if TICKET_SCOPE not in held.scopes:
        raise scopes.UnknownScope(
            f"the token lacks {TICKET_SCOPE}, without which no ticket is made"
        )
    return scopes.narrowed((TICKET_SCOPE,), request.scope)
