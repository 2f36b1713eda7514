"""`/auth/oauth/revoke` (RFC 7009) and `/auth/oauth/introspect` (RFC 7662), for clients."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from flask import Blueprint, Response, g, request

from servicekit.grants import Grant
from servicekit.operations import Answer, Content, Operation, operation
from servicekit.protected_routes import ProtectedBlueprint
from servicekit.protection import public
from servicekit.tickets import Ticket
from servicekit.tokens import Principal, TokenError
from servicekit.web import json_response
from wharf_auth.accounts import grants, token_revocation
from wharf_auth.accounts.sessions import hash_of
from wharf_auth.context import AppContext
from wharf_auth.database.contract import Client
from wharf_auth.domain.acts import Actor
from wharf_auth.domain.clock import milliseconds
from wharf_auth.domain.tokens import LIVE_AUDIENCE, MAX_TOKEN_TTL_SECONDS, UPLOAD_AUDIENCE
from wharf_auth.routes import oauth_errors
from wharf_auth.routes.client_login import logged_in
from wharf_auth.routes.grant_schemas import effective
from wharf_auth.routes.grants.issuing import no_store
from wharf_auth.routes.oauth_errors import ErrorAnswer, refuse_repeated, required

_FORM = "application/x-www-form-urlencoded"
_RETRY = {"Retry-After": "In seconds."}


class TokenForm(msgspec.Struct):
    """The form. The client sends its id and secret either here or by HTTP Basic."""

    token: str
    token_type_hint: Annotated[
        str | None, msgspec.Meta(description="Ignored: the service recognizes the token's type.")
    ] = None
    client_id: str | None = None
    client_secret: str | None = None


class Introspection(msgspec.Struct, omit_defaults=True):
    """The state of a token (RFC 7662 section 2.2). An inactive token has only `active: false`.

    A token of a client has `client_id`, a token of a person has `username`. A refresh token is
    always reported as inactive. Only a token for the live channel has `aud`; every other service
    has to refuse such a token. `tid` is the tenant, and `ticket` is what an upload ticket allows.
    `sid` is the session of a person, or the first token of a chain of exchanged tokens. `parents`
    lists the tokens that this token was made from, oldest first: when one of them ends, this token
    ends too. `scope` and `grants` are the permissions at this moment. `grants` has its placeholders
    filled in; it is absent when the token's holder reaches everything that the scopes allow.
    """

    active: bool
    scope: str | None = None
    client_id: str | None = None
    username: str | None = None
    token_type: str | None = None
    exp: int | None = None
    iat: int | None = None
    sub: str | None = None
    iss: str | None = None
    aud: str | None = None
    jti: str | None = None
    tid: str | None = None
    sid: str | None = None
    parents: tuple[str, ...] = ()
    ticket: Ticket | None = None
    grants: Annotated[
        list[Grant] | msgspec.UnsetType,
        msgspec.Meta(description="The permitted buckets, prefixes and actions."),
    ] = msgspec.UNSET


_SCHEMA: dict[str, Any] = msgspec.json.schema(TokenForm)["$defs"]["TokenForm"]
_REFUSALS = {
    400: Answer("`invalid_request` or `unauthorized_client`.", ErrorAnswer),
    401: Answer("`invalid_client`.", ErrorAnswer, {"WWW-Authenticate": "A Basic challenge."}),
    429: Answer("Too many failures, or too many revoked tokens.", ErrorAnswer, _RETRY),
    503: Answer("Logins cannot be checked now.", ErrorAnswer, _RETRY),
}
REVOKE = Operation(
    id="revokeToken",
    tag="tokens",
    summary="Revoke a token",
    description=(
        "RFC 7009. "
        "A client may revoke tokens of its own tenant; with the scope `tenants:admin`, tokens of "
        "all tenants. All services refuse the token within five seconds, and also every token that "
        "was made from it by token exchange, directly or through other tokens. The tokens that it "
        "was made from stay valid. If the token is a ticket, all tickets that were made from it "
        "end with it. The service also accepts a token that has expired within the last day, "
        "since a ticket that was made from it may still be valid. If the token is a refresh "
        "token, its session ends. The response is the same for an unknown token and for a token "
        "of another tenant."
    ),
    body=Content(_FORM, _SCHEMA),
    answers={200: Answer("The token is not valid, or no longer valid."), **_REFUSALS},
)
INTROSPECT = Operation(
    id="introspectToken",
    tag="tokens",
    summary="Ask whether a token is active",
    description=(
        "RFC 7662. "
        "A client may ask about tokens of its own tenant; with the scope `tenants:admin`, about "
        "tokens of all tenants. For every other token, including expired and revoked tokens, the "
        "response is `active: false`."
    ),
    body=Content(_FORM, _SCHEMA),
    answers={200: Answer("The state of the token.", Introspection), **_REFUSALS},
)


def blueprint(context: AppContext) -> Blueprint:
    """Return the blueprint with the two routes."""
    routes = ProtectedBlueprint(
        "token_status",
        __name__,
        url_prefix="/auth/oauth",
        protection=public("the client authenticates with its secret"),
    )
    oauth_errors.install(routes)

    @routes.post("/revoke")
    @operation(REVOKE)
    def revoke() -> Response:
        client, token = _asked(context)
        # A ticket that was made from the token in its last second may still live for this long.
        held, _ = _known(context, client, token, late_seconds=MAX_TOKEN_TTL_SECONDS)
        if held is not None:
            token_revocation.revoke(context.records, context.clock, held, _actor(client))
        else:
            _end_session(context, client, token)
        return no_store(Response(b"", 200))

    @routes.post("/introspect")
    @operation(INTROSPECT)
    def introspect() -> Response:
        client, token = _asked(context)
        held, audience = _known(context, client, token)
        if held is None or not context.revocations.in_force(held):
            return no_store(json_response(Introspection(active=False)))
        return no_store(json_response(_told(context, held, audience)))

    return routes


def _asked(context: AppContext) -> tuple[Client, str]:
    refuse_repeated()
    client = logged_in(context)
    return client, required("token")


def _known(
    context: AppContext, client: Client, token: str, *, late_seconds: int = 0
) -> tuple[Principal | None, str]:
    """Return the verified access token and its audience.

    Return `None` and an empty audience in three cases: the text is no valid access token, the token
    expired more than `late_seconds` ago, or the client may not ask about it.
    """
    for audience, verifier in (
        (UPLOAD_AUDIENCE, context.upload_verifier),
        (LIVE_AUDIENCE, context.live_verifier),
    ):
        try:
            held = verifier.verify_late(token, late_seconds)
        except TokenError:
            continue
        if token_revocation.concerns(client, held.tenant):
            return held, audience
        break
    return None, ""


def _end_session(context: AppContext, client: Client, token: str) -> None:
    """End the session of a refresh token, and so all refresh tokens of the session.

    Do nothing if the token is unknown, or if the client may not revoke it.
    """
    user = context.records.refreshing(hash_of(token))
    if user is None or not token_revocation.concerns(client, user.tenant):
        return
    if context.sessions.end_by_refresh(token):
        now = milliseconds(context.clock)
        act = _actor(client).does("sessions.end", tenant=user.tenant, about=user.id, at=now)
        context.records.note(act)


def _told(context: AppContext, held: Principal, audience: str) -> Introspection:
    person = context.records.active_session(held.session) if held.session else None
    standing = grants.of_subject(context.records, held.tenant, held.subject)
    reached = None if standing is None else effective(standing)
    scopes = held.scopes if standing is None else held.scopes.intersection(standing.scopes)
    return Introspection(
        active=True,
        scope=" ".join(sorted(scopes)),
        client_id=None if person else held.subject,
        username=person.user.username if person else None,
        token_type="Bearer",  # noqa: S106 -- no secret
        exp=held.expires_at,
        iat=held.issued_at,
        sub=held.subject,
        iss=context.settings.issuer,
        aud=audience if audience == LIVE_AUDIENCE else None,
        jti=held.token_id,
        tid=held.tenant,
        sid=held.session or None,
        parents=held.parents,
        ticket=held.ticket,
        grants=msgspec.UNSET if reached is None else reached,
    )


def _actor(client: Client) -> Actor:
    return Actor(client.id, client.tenant, request.remote_addr or "", g.request_id)
