"""Flask-Login: the person behind a session, and how a session begins and ends."""

from __future__ import annotations

from flask import Flask, current_app, session
from flask_login import LoginManager, UserMixin, login_user, logout_user

from wharf_console.api.accounts import Granted, Me
from wharf_console.sessions import records
from wharf_console.sessions.interface import LOGGED_IN
from wharf_console.sessions.records import Person, TokenRecords
from wharf_console.sessions.tokens import recorded


class CurrentUser(UserMixin):  # type: ignore[misc] # Flask-Login has no types
    """The person who is logged in, as pages and templates know it (`current_user`)."""

    def __init__(self, record_id: str, person: Person) -> None:
        self.record_id, self.person = record_id, person

    def get_id(self) -> str:
        """Return what the session remembers: the id of the token record."""
        return self.record_id

    def may(self, scope: str) -> bool:
        """Whether the person's role has the scope; the API decides anyway."""
        return scope in self.person.scopes


def install(app: Flask, kept: TokenRecords) -> None:
    """Have Flask-Login find people by the token record that their session names."""
    manager = LoginManager()
    # A phone's address changes while its owner walks.
    manager.session_protection = None
    manager.init_app(app)

    @manager.user_loader  # type: ignore[untyped-decorator] # Flask-Login has no types
    def load(record_id: str) -> CurrentUser | None:
        found = kept.read(record_id)
        return None if found is None else CurrentUser(record_id, found.person)


def begin(kept: TokenRecords, me: Me, granted: Granted, now: float) -> None:
    """Begin a session of the person under a new id, which nobody can have planted."""
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
    """End the session here: tokens, what pages remember, and the id."""
    if record_id := session.get(LOGGED_IN):
        kept.delete(record_id)
    logout_user()
    session.clear()
    # Flask-Session's own; an empty session would keep the old id.
    session["_fresh"] = False
    current_app.session_interface.regenerate(session)  # type: ignore[attr-defined]
