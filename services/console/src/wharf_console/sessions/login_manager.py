"""The use of Flask-Login: finds the person of a session, and begins and ends sessions."""

from __future__ import annotations

from flask import Flask, current_app, session
from flask_login import LoginManager, UserMixin, login_user, logout_user

from wharf_console.api.accounts import Granted, Me
from wharf_console.sessions import records
from wharf_console.sessions.interface import LOGGED_IN
from wharf_console.sessions.records import Person, TokenRecords
from wharf_console.sessions.tokens import recorded


class CurrentUser(UserMixin):  # type: ignore[misc] # Flask-Login has no types
    """The person who is logged in, for pages and templates (`current_user`)."""

    def __init__(self, record_id: str, person: Person) -> None:
        self.record_id, self.person = record_id, person

    def get_id(self) -> str:
        """Return the id of the token record, which the session stores."""
        return self.record_id

    def may(self, scope: str) -> bool:
        """Tell whether the person has the scope; the API decides in any case."""
        return scope in self.person.scopes


def install(app: Flask, kept: TokenRecords) -> None:
    """Let Flask-Login find people by the token record of their session."""
    manager = LoginManager()
    # The protection would compare the browser's address with that of the login. But the address of
    # a phone changes while its owner walks.
    manager.session_protection = None
    manager.init_app(app)

    @manager.user_loader  # type: ignore[untyped-decorator] # Flask-Login has no types
    def load(record_id: str) -> CurrentUser | None:
        found = kept.read(record_id)
        return None if found is None else CurrentUser(record_id, found.person)


def begin(kept: TokenRecords, me: Me, granted: Granted, now: float) -> None:
    """Begin a session of the person under a new id, so that an attacker cannot choose the id."""
    forget(kept)
    person = Person(
        user_id=me.user_id,
        tenant=me.tenant,
        username=me.username,
        display_name=me.display_name,
        role=me.role,
        scopes=frozenset(granted.scope.split()),
        tenant_display_name=me.tenant_display_name,
    )
    record_id = records.new_id()
    kept.write(record_id, recorded(person, granted, now))
    login_user(CurrentUser(record_id, person))


def forget(kept: TokenRecords) -> None:
    """End the session in the console: delete its tokens, its data and its id."""
    if record_id := session.get(LOGGED_IN):
        kept.delete(record_id)
    logout_user()
    session.clear()
    # Flask-Session changes the id only of a session that is not empty.
    session["_fresh"] = False
    current_app.session_interface.regenerate(session)  # type: ignore[attr-defined]
