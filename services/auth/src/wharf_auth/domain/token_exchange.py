"""The rules of token exchange (RFC 8693): a new token is never wider than its parent."""

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
# The scopes that decide which events and which progress a listener receives.
LIVE_SCOPES = ("files:read", "files:write", "events:read")


@dataclass(frozen=True)
class TokenExchangeRequest:
    """The parameters of a token exchange, `None` if absent. `life_seconds` is an upper bound."""

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
    """Return the claims of the narrower token; raise `TicketError` or `scopes.UnknownScope`.

    `held` is the principal of the verified token, with its current scopes, grants and reach: a
    ticket allows nothing outside of them.

    A ticket may outlive an original token, since the token could be renewed, and a page stays open
    longer than a token lives. Such a ticket lives at most `ticket_seconds`. Every other token ends
    at the latest with the token that it was made from, so no chain of tokens lives forever.

    The new token names its parents; when one of them is revoked, it ends. A narrowed ticket keeps
    the `jti` of the wider one: uses are counted, and tickets are revoked, for the whole chain.
    `sid` is the session of a person, or the `jti` of the first token; when the session ends or the
    first token is revoked, the new token ends too (see `accounts/token_revocation.py`).
    """
    given = _ticket(held, request)
    granted = _scopes(held, request, given)
    outlives = given is not None and held.is_original
    bound = ticket_seconds if outlives else held.expires_at - now
    life = min(bound, request.life_seconds or token_seconds)
    if life <= 0:
        raise TicketError("The token expires in less than a second.")
    made = tokens.claims(
        issuer=issuer,
        tenant=held.tenant,
        subject=held.subject,
        scopes=granted,
        now=now,
        ttl_seconds=life,
        # When the token is used, a service may have no current feed, so the claim has the grants.
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
    """Return the claims of a token for the live channel.

    The new token ends at the latest when the token that it was made from ends, and it cannot be
    exchanged. Raise `TicketError` or `scopes.UnknownScope`.
    """
    if held.ticket is not None or request.ticket is not None:
        raise TicketError("The audience live cannot be combined with a ticket.")
    heard = scopes.ordered(held.scopes.intersection(LIVE_SCOPES))
    if not heard:
        raise scopes.UnknownScope("the token has no scope for the live channel")
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
    """Return the claims of a ticket that an operator makes without a token.

    `claim` and `reach` are those of the client that owns the ticket. Raise `TicketError`.
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
    """Return the ids of the new token's parents, oldest first; raise `TicketError` for too many."""
    if held.ticket is not None:
        return list(held.parents)
    if len(held.parents) >= MAX_PARENTS:
        raise TicketError(
            f"The subject_token was made through {MAX_PARENTS} other tokens, and no chain may be "
            "longer; exchange an earlier token."
        )
    return [*held.parents, held.token_id]


def _ticket(held: Principal, request: TokenExchangeRequest) -> Ticket | None:
    if request.ticket is None:
        return held.ticket
    given = tickets.ticket(request.ticket, held.ticket)
    _require_reached(held.reach, given)
    return given


def _require_reached(reach: Reach, given: Ticket) -> None:
    """Raise `TicketError` if the ticket would allow uploads that its maker may not make."""
    if given.key is not None:
        is_reached = reach.allows("write", given.bucket, given.key)
    else:
        is_reached = reach.covers("write", given.bucket, given.prefix or "")
    if not is_reached:
        raise TicketError(
            "The ticket is for keys that the grants of its maker do not permit to write."
        )


def _scopes(
    held: Principal, request: TokenExchangeRequest, given: Ticket | None
) -> tuple[str, ...]:
    if given is None:
        return scopes.narrowed(scopes.known(held.scopes), request.scope)
    if TICKET_SCOPE not in held.scopes:
        raise scopes.UnknownScope(f"the token lacks {TICKET_SCOPE}, which a ticket needs")
    return scopes.narrowed((TICKET_SCOPE,), request.scope)
