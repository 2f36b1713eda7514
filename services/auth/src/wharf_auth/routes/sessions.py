"""`/auth/me` and `/auth/sessions`: people read and change their own account and sessions."""

from __future__ import annotations

import msgspec
from flask import Blueprint, Response, g, request

from servicekit.logs import timestamp
from servicekit.operations import Answer, Operation, operation
from servicekit.problems import (
    FORBIDDEN,
    MALFORMED,
    NOT_FOUND,
    RATE_LIMITED,
    UNAVAILABLE,
    UNPROCESSABLE,
    UNSUPPORTED_MEDIA,
)
from servicekit.protected_routes import ProtectedBlueprint
from wharf_auth.accounts import grants, passwords
from wharf_auth.accounts.clients import LoginRefused
from wharf_auth.accounts.login_throttle import Account
from wharf_auth.accounts.secret_lane import Asker
from wharf_auth.context import AppContext
from wharf_auth.database.people_contract import ActiveSession, Session
from wharf_auth.domain import users
from wharf_auth.routes.acting import actor
from wharf_auth.routes.grant_schemas import Grants, effective
from wharf_auth.routes.protections import people
from wharf_auth.routes.tenants import Page
from wharf_auth.routes.trying import trying


class SessionAnswer(msgspec.Struct, kw_only=True):
    """A session. `current` tells whether the request's token belongs to this session."""

    session_id: str
    created_at: str
    used_at: str
    expires_at: str
    address: str
    user_agent: str
    current: bool


class SessionList(msgspec.Struct):
    """A page of sessions; `next_cursor` is `null` on the last page."""

    sessions: list[SessionAnswer]
    next_cursor: str | None


class Me(msgspec.Struct, kw_only=True):
    """The person that the token belongs to, and the person's permissions at this moment.

    `scopes` are those scopes of the token that the person still has. `grants` are the person's own
    grants and the grants of the person's groups, with all placeholders filled in.
    """

    user_id: str
    tenant: str
    tenant_display_name: str
    username: str
    display_name: str
    role: str
    scopes: list[str]
    grants: Grants
    session: SessionAnswer


class PasswordChange(msgspec.Struct, forbid_unknown_fields=True):
    """The current password and the new password."""

    current_password: str
    new_password: str


ME = Operation(
    id="getCurrentUser",
    tag="sessions",
    summary="Read the account of the person that the token belongs to",
    answers={200: Answer("The person and the session.", Me, {"Cache-Control": "`no-store`."})},
    problems=(FORBIDDEN,),
)
CHANGE_PASSWORD = Operation(
    id="changePassword",
    tag="sessions",
    summary="Change your own password and end all your other sessions",
    body=PasswordChange,
    answers={204: Answer("The password is changed.")},
    problems=(
        MALFORMED,
        FORBIDDEN,
        NOT_FOUND,
        UNSUPPORTED_MEDIA,
        UNPROCESSABLE,
        RATE_LIMITED,
        UNAVAILABLE,
    ),
)
LIST = Operation(
    id="listSessions",
    tag="sessions",
    summary="List your own sessions, oldest first",
    query=Page,
    answers={200: Answer("A page of sessions.", SessionList, {"Cache-Control": "`no-store`."})},
    problems=(MALFORMED, FORBIDDEN),
)
END = Operation(
    id="endSession",
    tag="sessions",
    summary="End one of your own sessions",
    answers={
        204: Answer("The session has ended; all services refuse its tokens within five seconds.")
    },
    problems=(FORBIDDEN, NOT_FOUND),
)


def answer(session: Session, current: str) -> SessionAnswer:
    """Convert the session into its form in responses."""
    return SessionAnswer(
        session_id=session.id,
        created_at=timestamp(session.created_at / 1000),
        used_at=timestamp(session.used_at / 1000),
        expires_at=timestamp(session.expires_at / 1000),
        address=session.address,
        user_agent=session.user_agent,
        current=session.id == current,
    )


def blueprint(context: AppContext) -> Blueprint:
    """Return the blueprint with the routes of a person's own account."""
    routes = ProtectedBlueprint(
        "sessions", __name__, url_prefix="/auth", protection=people(context.records)
    )
    _add_own_account(routes, context)
    _add_own_sessions(routes, context)

    @routes.after_request
    def private(response: Response) -> Response:
        response.headers["Cache-Control"] = "no-store"
        return response

    return routes


def _add_own_account(routes: Blueprint, context: AppContext) -> None:
    @routes.get("/me")
    @operation(ME)
    def me() -> Me:
        owner: ActiveSession = g.person
        user = owner.user
        tenant = context.records.tenant(user.tenant)
        return Me(
            user_id=user.id,
            tenant=user.tenant,
            tenant_display_name=tenant.display_name if tenant else user.tenant,
            username=user.username,
            display_name=user.display_name,
            role=user.role,
            scopes=sorted(g.principal.scopes),
            grants=effective(grants.of_user(context.records, user)),
            session=answer(owner.session, g.principal.session),
        )

    @routes.put("/me/password")
    @operation(CHANGE_PASSWORD)
    def change_password(body: PasswordChange) -> None:
        _change_password(context, body)


def _add_own_sessions(routes: Blueprint, context: AppContext) -> None:
    @routes.get("/sessions")
    @operation(LIST)
    def listing(query: Page) -> SessionList:
        user = g.person.user
        found = context.sessions.listed(user.id, after=query.cursor, limit=query.limit + 1)
        current = g.principal.session
        return SessionList(*query.cut(found, lambda session: answer(session, current)))

    @routes.delete("/sessions/<client:session>")
    @operation(END)
    def end(session: str) -> None:
        user = g.person.user
        if not context.sessions.end(user.id, session):
            raise NOT_FOUND("You have no such session.")


def _change_password(context: AppContext, body: PasswordChange) -> None:
    owner: ActiveSession = g.person
    user, address = owner.user, request.remote_addr or ""
    account = users.account_of(user.tenant, user.username)
    # Throttled like a login: a thief with a stolen token must not be able to guess the password.
    current = passwords.normalized(body.current_password)
    kept = context.records.password_hash(user.tenant, user.id)
    try:
        with trying(context, Account.person(user.tenant, user.username), proven=True):
            if not context.hasher.matches(current, kept, Asker.at(address, account)):
                raise LoginRefused
    except LoginRefused:
        raise FORBIDDEN("The current password is wrong.") from None
    context.users.set_password(user, body.new_password, actor(), keep_session=owner.session.id)
