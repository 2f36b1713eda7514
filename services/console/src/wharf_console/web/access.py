"""The permission for a page: every logged-in person has it, unless the view declares otherwise.

    @routes.get("/members")
    @needs("members:admin")          # a scope that the person must have
    def members() -> str: ...

    @routes.get("/login")
    @open_to_all("the person is not logged in yet")
    def login() -> str: ...

The API decides in any case; these checks show an error page earlier.
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
# The least role that has a scope; scopes and roles are those of auth.
_ROLE_OF = {
    "files:read": "viewer",
    "files:write": "editor",
    "files:delete": "editor",
    "buckets:admin": "owner",
    "events:read": "owner",
    "webhooks:admin": "owner",
    "members:admin": "owner",
}


class Who(NamedTuple):
    """The caller of a request, in the form that servicekit's log uses."""

    tenant: str
    subject: str


class RoleMissing(Forbidden):
    """The person's role lacks the scope of the page; `role` is the least role that has it."""

    def __init__(self, scope: str) -> None:
        super().__init__()
        self.scope, self.role = scope, role_of(scope)


def role_of(scope: str) -> str:
    """Return the least role that has the scope; an empty text if no role has it."""
    return _ROLE_OF.get(scope, "")


def needs(scope: str) -> Callable[[View], View]:
    """Declare that a view requires a scope."""

    def marked(view: View) -> View:
        view.needs_scope = scope  # type: ignore[attr-defined]
        return view

    return marked


def open_to_all(because: str) -> Callable[[View], View]:
    """Declare that a view requires no login; `because` is the reason."""

    def marked(view: View) -> View:
        view.open_because = because  # type: ignore[attr-defined]
        return view

    return marked


def open_views(app: Flask) -> dict[str, str]:
    """Return the reasons of the views that require no login, by endpoint."""
    found = {name: getattr(view, "open_because", "") for name, view in app.view_functions.items()}
    return {name: reason for name, reason in found.items() if reason}


def install(app: Flask) -> None:
    """Check the permission of each request before its view runs."""

    @app.before_request
    def check() -> None:
        view = current_app.view_functions.get(request.endpoint or "")
        if view is None or _is_open(view):
            return
        if not current_user.is_authenticated:
            raise SessionEnded("the person is not logged in")
        # For the log lines of the console and of the gateway.
        person: Person = current_user.person
        g.principal = Who(person.tenant, person.user_id)
        scope: str = getattr(view, "needs_scope", "")
        if scope and not current_user.may(scope):
            raise RoleMissing(scope)


def _is_open(view: Callable[..., Any]) -> bool:
    # The views of servicekit, for probes and metrics, have another declaration.
    kit = getattr(view, "protection", None)
    return bool(getattr(view, "open_because", "")) or (kit is not None and kit.is_open)
