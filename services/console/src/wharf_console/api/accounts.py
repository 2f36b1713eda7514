"""Login, logout, and the account and sessions of the person who is logged in."""

from __future__ import annotations

import msgspec

from servicekit.grants import Grant
from wharf_console.api.session import Session, address, decoded


class Granted(msgspec.Struct, frozen=True, kw_only=True):
    """New tokens of a person; `expires_in` is in seconds."""

    access_token: str
    refresh_token: str
    expires_in: int
    scope: str = ""


class LoginSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session of a person at auth; the console or another program began it."""

    session_id: str
    created_at: str
    used_at: str
    expires_at: str
    address: str
    user_agent: str
    current: bool


class Me(msgspec.Struct, frozen=True, kw_only=True):
    """The person who is logged in.

    `grants` are the grants of the person and of the person's groups, with filled placeholders;
    `None` means that no grants limit the person.
    """

    user_id: str
    tenant: str
    username: str
    display_name: str
    role: str
    session: LoginSession
    # Older releases do not send the following members.
    tenant_display_name: str = ""
    grants: tuple[Grant, ...] | None = None


class LoginSessions(msgspec.Struct, frozen=True, kw_only=True):
    """A page of sessions; `next_cursor` requests the next page, `None` is the end."""

    sessions: tuple[LoginSession, ...]
    next_cursor: str | None = None


class _Login(msgspec.Struct):
    tenant: str
    username: str
    password: str
    refresh_token: str = "body"  # noqa: S105 -- not a secret


class _Logout(msgspec.Struct):
    refresh_token: str


class _PasswordChange(msgspec.Struct):
    current_password: str
    new_password: str


def log_in(nobody: Session, tenant: str, username: str, password: str) -> Granted:
    """Log in and return the tokens of the new session; `nobody` is a `Session` without tokens."""
    return nobody.post("/auth/login", _Login(tenant, username, password), Granted)


def refresh(nobody: Session, refresh_token: str) -> Granted:
    """Return the next tokens. The refresh token becomes invalid, even if the response gets lost."""
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
    return decoded(nobody.send("POST", "/auth/oauth/token", form=form), Granted)


def log_out(nobody: Session, refresh_token: str) -> None:
    """End the session of the refresh token; do nothing if no such session exists."""
    nobody.send("POST", "/auth/logout", body=_Logout(refresh_token))


def me(session: Session) -> Me:
    """Return the person who is logged in."""
    return session.get("/auth/me", Me)


def change_password(session: Session, current: str, new: str) -> None:
    """Change the person's password and end all other sessions of the person.

    Raises the problem `forbidden` for a wrong current password, and `unprocessable` when the new
    password is not acceptable.
    """
    session.send("PUT", "/auth/me/password", body=_PasswordChange(current, new))


def sessions(session: Session, *, cursor: str = "", limit: int = 100) -> LoginSessions:
    """Return a page of the person's sessions, oldest first."""
    return session.get("/auth/sessions", LoginSessions, cursor=cursor, limit=limit)


def end_session(session: Session, session_id: str) -> None:
    """End one of the person's sessions; raises the problem `not-found`."""
    session.send("DELETE", address("auth", "sessions", session_id))
