"""The objects of the browser's current request: its connection to the API, and its person."""

from __future__ import annotations

from typing import cast

from flask import Flask, current_app, g, request
from flask_login import current_user

from wharf_console.api import accounts
from wharf_console.api.accounts import Granted
from wharf_console.api.connection import Caller, Connection
from wharf_console.api.problems import SessionEnded
from wharf_console.api.session import Session
from wharf_console.context import AppContext
from wharf_console.sessions.login_manager import CurrentUser
from wharf_console.sessions.records import Person
from wharf_console.sessions.tokens import PersonTokens

_EXTENSION = "wharf-console"


def install(app: Flask, context: AppContext) -> None:
    """Give requests the context; after each request, close its connection and sweep sessions."""
    app.extensions[_EXTENSION] = context

    @app.teardown_request
    def sweep(_: BaseException | None) -> None:
        # Sweep after every request, because each visitor of the login page also leaves a session.
        context.stores.sweep()

    @app.teardown_request
    def close(_: BaseException | None) -> None:
        if made := g.pop("api_connection", None):
            made.close()


def context() -> AppContext:
    """Return the parts of the console."""
    return cast("AppContext", current_app.extensions[_EXTENSION])


def nobody() -> Session:
    """Return a session for calls of the API without a token."""
    return Session(_connection())


def api() -> Session:
    """Return the session for calls of the API as the current person; raises `SessionEnded`."""
    if "api" not in g:
        if not current_user.is_authenticated:
            raise SessionEnded("the person is not logged in")
        g.api = Session(_connection(), tokens_of(current_user.record_id))
    return cast("Session", g.api)


def tokens_of(record_id: str) -> PersonTokens:
    """Return the tokens of a session of the console."""

    def refresh(refresh_token: str) -> Granted:
        return accounts.refresh(nobody(), refresh_token)

    parts = context()
    places = parts.bulkhead.auth
    return PersonTokens(parts.stores.records, record_id, refresh, parts.clock, places.one)


def user() -> CurrentUser:
    """Return the person who is logged in; only for pages that require a login."""
    return cast("CurrentUser", current_user)


def person() -> Person:
    """Return the names and role of the person who is logged in."""
    return user().person


def _connection() -> Connection:
    if "api_connection" not in g:
        g.api_connection = context().connect(_caller())
    return cast("Connection", g.api_connection)


def _caller() -> Caller:
    port = request.environ.get("REMOTE_PORT") or "0"
    return Caller(
        address=request.remote_addr or "",
        port=int(port) if port.isdecimal() else 0,
        host=request.host,
        user_agent=request.headers.get("User-Agent", ""),
        request_id=g.get("request_id", ""),
    )
