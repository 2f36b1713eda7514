"""The grant for token exchange (RFC 8693): the caller gets a narrower token for a token.

With the parameter `ticket` the new token is an upload ticket. With `audience=live` only the live
channel accepts the new token.

The subject token is the credential: it already allows everything that the new token allows. If a
client also sends its own credentials, the client has to belong to the token's tenant.
"""

from __future__ import annotations

from typing import Any

from flask import Response, g, request

from servicekit.problems import ProblemError
from servicekit.tokens import MAX_TOKEN_BYTES, KeysUnavailable, Principal, TokenError
from wharf_auth.context import AppContext
from wharf_auth.domain import scopes, tickets, token_exchange
from wharf_auth.domain.tickets import TicketError
from wharf_auth.domain.tokens import LIVE_AUDIENCE, UPLOAD_AUDIENCE
from wharf_auth.routes.client_login import logged_in
from wharf_auth.routes.grants.issuing import answer_of
from wharf_auth.routes.oauth_errors import OAuthError, required, unavailable

NAME = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 -- no secret
AUDIENCES = (UPLOAD_AUDIENCE, LIVE_AUDIENCE)
_REFUSED = "The subject_token is not acceptable: {reason}."


def answer(context: AppContext) -> Response:
    """Return the response with the narrower token; raise `OAuthError`."""
    form = request.form
    for name in ("actor_token", "resource"):
        if form.get(name):
            code = "invalid_target" if name == "resource" else "invalid_request"
            raise OAuthError(code, f"The parameter {name} is not supported.")
    if form.get("audience", UPLOAD_AUDIENCE) not in AUDIENCES:
        raise OAuthError("invalid_target", f"The audiences are {' and '.join(AUDIENCES)}.")
    for name in ("subject_token_type", "requested_token_type"):
        if (form.get(name) or ACCESS_TOKEN) != ACCESS_TOKEN:
            raise OAuthError("invalid_request", f"The {name} has to be {ACCESS_TOKEN}.")
    required("subject_token_type")
    held = _subject(context, required("subject_token"))
    # Client credentials are optional (RFC 8693 section 2.1). Wrong credentials are refused even if
    # the token is valid, since the caller has made a mistake.
    authenticates = "Authorization" in request.headers or form.get("client_secret")
    if authenticates and logged_in(context).tenant != held.tenant:
        raise OAuthError("unauthorized_client", "The subject_token is of another tenant.")
    return _narrowed(context, held)


def _subject(context: AppContext, token: str) -> Principal:
    try:
        held = context.upload_verifier.verify(token)
    except KeysUnavailable:
        raise unavailable("The keys that verify tokens are not loaded yet.") from None
    except TokenError as error:
        # RFC 8693 section 2.2.2: every invalid subject token is an `invalid_request`.
        raise OAuthError("invalid_request", _REFUSED.format(reason=error)) from None
    try:
        held = context.revocations.accepted(held)
    except ProblemError:
        reason = "it was revoked, or its tenant, client or session was ended"
        raise OAuthError("invalid_request", _REFUSED.format(reason=reason)) from None
    # The request log shows the principal of the subject token.
    g.principal = held
    return held


def _narrowed(context: AppContext, held: Principal) -> Response:
    try:
        claims = _claims(context, held)
    except TicketError as error:
        raise OAuthError("invalid_request", str(error)) from None
    except scopes.UnknownScope:
        raise OAuthError(
            "invalid_scope", f"The subject_token has the scopes {' '.join(sorted(held.scopes))}."
        ) from None
    token = context.keys.sign(claims)
    if len(token) > MAX_TOKEN_BYTES:
        raise OAuthError(
            "invalid_request", "The ticket is too long; give it fewer or shorter rules."
        )
    return answer_of(token, NAME, claims, token_type=ACCESS_TOKEN)


def _claims(context: AppContext, held: Principal) -> dict[str, Any]:
    settings, form = context.settings, request.form
    listens = form.get("audience") == LIVE_AUDIENCE
    longest = settings.live_token_ttl_seconds if listens else settings.ticket_ttl_seconds
    wanted = token_exchange.TokenExchangeRequest(
        form.get("scope"),
        tickets.read(form["ticket"]) if form.get("ticket") else None,
        _life(form.get("expires_in"), longest),
    )
    issuer, now = settings.issuer, int(context.clock())
    if listens:
        return token_exchange.live_claims(
            held, wanted, issuer=issuer, now=now, live_seconds=longest
        )
    return token_exchange.claims(
        held,
        wanted,
        issuer=issuer,
        now=now,
        token_seconds=settings.token_ttl_seconds,
        ticket_seconds=_ticket_seconds(context, held, now) if wanted.ticket else longest,
    )


def _ticket_seconds(context: AppContext, held: Principal, now: int) -> int:
    """Return the longest life, in seconds, of a ticket that is made from an original token.

    A person can renew the token until the session ends, so the ticket may live until then. An
    earlier release did not name the parents of an exchanged token. Such a token looks original, but
    it names no session of a person, or auth does not accept it. A ticket that is made from such a
    token ends with the token.
    """
    longest = context.settings.ticket_ttl_seconds
    if not held.session or not held.is_original:
        return longest
    found = context.records.active_session(held.session)
    if found is None or not _is_good_here(context, request.form["subject_token"]):
        return held.expires_at - now
    return min(longest, found.session.expires_at // 1000 - now)


def _is_good_here(context: AppContext, token: str) -> bool:
    try:
        context.auth_verifier.verify(token)
    except TokenError:
        return False
    return True


def _life(text: str | None, most: int) -> int | None:
    if not text:
        return None
    # int() would accept digits of other scripts, and would be slow for a million digits.
    if not (text.isascii() and text.isdigit() and len(text) < 12 and 1 <= int(text) <= most):
        raise TicketError(f"expires_in is a whole number of seconds from 1 to {most}.")
    return int(text)
