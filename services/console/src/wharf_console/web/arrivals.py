"""What plain forms have brought: told after a look at their tickets.

Refusals lead to the page of what is stored, too, where a browser tells no page whence it came. So
that page says nothing that it has not looked up.
"""

from __future__ import annotations

import secrets
from typing import Any

from flask import session

from wharf_console.api import tickets
from wharf_console.api.problems import ApiProblem, SessionEnded
from wharf_console.web.current import nobody

_KEY = "watched_forms"
# So many pages with a form a person has open.
_KEPT = 10


def new_mark() -> str:
    """Return the name of a form that is about to be shown, for the address to which it leads."""
    return secrets.token_urlsafe(9)


def watch(mark: str, ticket: str) -> None:
    """Remember that the form has this ticket, with which nothing has come yet."""
    others: list[dict[str, Any]] = session.get(_KEY, [])
    session[_KEY] = [{"mark": mark, "ticket": ticket, "files": 0}, *others][:_KEPT]


def since_told(mark: str | None) -> int | None:
    """Return how many files the form has brought since this was asked last.

    `None` where nobody knows: the form is of another session, or its ticket has expired.
    """
    forms: list[dict[str, Any]] = session.get(_KEY, [])
    found = next((form for form in forms if form["mark"] == mark), None)
    if found is None:
        return None
    files = of_ticket(found["ticket"])
    if files is None:
        return None
    before, found["files"] = found["files"], files
    session[_KEY] = forms
    return int(files - before)


def of_ticket(ticket: str) -> int | None:
    """Return how many files have come with a ticket; `None` where it is not good any more."""
    try:
        return tickets.rules(nobody().transport, ticket).files
    except (SessionEnded, ApiProblem):
        return None
