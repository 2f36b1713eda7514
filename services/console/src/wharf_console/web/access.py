"""Who sees a page: whoever is logged in, unless the view says otherwise where it is defined.

    @routes.get("/members")
    @needs("members:admin")          # a scope that the person's role must have
    def members() -> str: ...

    @routes.get("/login")
    @open_to_all("nobody is logged in yet")
    def login() -> str: ...

The API decides in any case; these spare people a page that only refuses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from flask import Flask, current_app, g, request
from flask_login import current_user
from werkzeug.exceptions import Forbidden

from wharf_console.api.problems import SessionEnded
from wharf_console.sessions.records import Person

View = TypeVar("View", bound=Callable[..., Any])
# Roles of people by what they add; the scopes are those of auth.
_ROLE_OF = {
    "files:read": "viewer",
    "files:write": "editor",
    "files:delete": "editor",
    "buckets:admin": "owner",
    "events:read": "owner",
    "members:admin": "owner",
}


class Who(NamedTuple):
    """Who asks for a page, as servicekit's log has it."""

    tenant: str
    subject: str


class RoleMissing(Forbidden):
    """The person's role lacks what the page needs; `role` is the least role that has it."""

    def __init__(self, scope: str) -> None:
        super().__init__()
        self.scope, self.role = scope, role_of(scope)


def role_of(scope: str) -> str:
    """Return the least role that has the scope; empty where no role of people has it."""
    return _ROLE_OF.get(scope, "")


def needs(scope: str) -> Callable[[View], View]:
    """Make a view one for people whose role has the scope."""

    def marked(view: View) -> View:
        view.needs_scope = scope  # type: ignore[attr-defined]
        return view

    return marked


def open_to_all(because: str) -> Callable[[View], View]:
    """Make a view one that needs no login; `because` says why."""

    def marked(view: View) -> View:
        view.open_because = because  # type: ignore[attr-defined]
        return view

    return marked


def open_views(app: Flask) -> dict[str, str]:
    """Return why each view that needs no login is open, by its endpoint."""
    found = {name: getattr(view, "open_because", "") for name, view in app.view_functions.items()}
    return {name: reason for name, reason in found.items() if reason}


def install(app: Flask) -> None:
    """Check each request before its view."""

    @app.before_request
    def check() -> None:
        view = current_app.view_functions.get(request.endpoint or "")
        if view is None or _is_open(view):
            return
        if not current_user.is_authenticated:
            raise SessionEnded("nobody is logged in")
        # For the line of the log, here and at the gateway.
        person: Person = current_user.person
        g.principal = Who(person.tenant, person.user_id)
        scope: str = getattr(view, "needs_scope", "")
        if scope and not current_user.may(scope):
            raise RoleMissing(scope)


def _is_open(view: Callable[..., Any]) -> bool:
    # Probes and metrics are servicekit's, with words of their own.
    kit = getattr(view, "protection", None)
    return bool(getattr(view, "open_because", "")) or (kit is not None and kit.is_open)
