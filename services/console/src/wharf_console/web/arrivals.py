"""Counts the files that plain forms have uploaded: the API counts the files of each ticket.

The page after a form may also be reached after a refusal, if the browser does not send the address
of the form's page. So that page asks the API for the number of files before it shows a message.
"""

from __future__ import annotations

import secrets
from typing import Any

from flask import session

from wharf_console.api import tickets
from wharf_console.api.problems import ApiProblem, SessionEnded
from wharf_console.web.current import nobody

_KEY = "watched_forms"
# The most open pages with a form that a session remembers.
_KEPT = 10


def new_mark() -> str:
    """Return a new name of a form, for the address to which the API redirects after the form."""
    return secrets.token_urlsafe(9)


def watch(mark: str, ticket: str) -> None:
    """Remember the form's ticket, with which no file was uploaded yet."""
    others: list[dict[str, Any]] = session.get(_KEY, [])
    session[_KEY] = [{"mark": mark, "ticket": ticket, "files": 0}, *others][:_KEPT]


def since_told(mark: str | None) -> int | None:
    """Return how many files the form has uploaded since the last call.

    Return `None` if this is not known: this session does not remember the form, or the form's
    ticket is not valid any more.
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
    """Return how many files were uploaded with a ticket; `None` if the API refuses to tell."""
    try:
        return tickets.rules(nobody().transport, ticket).files
    except (SessionEnded, ApiProblem):
        return None
