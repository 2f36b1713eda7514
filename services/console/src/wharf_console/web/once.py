"""Forms that are done once, however often a browser sends them: a reload sends one again."""

from __future__ import annotations

import secrets

from flask import session

_KEY = "done_forms"
# So many of a session are remembered.
_KEPT = 20


def new_mark() -> str:
    """Return the mark of a form that is shown."""
    return secrets.token_urlsafe(12)


def is_done(mark: str | None) -> bool:
    """Whether the form with this mark was done in this session."""
    return not mark or mark in session.get(_KEY, ())


def done(mark: str | None) -> None:
    """Remember that the form was done."""
    session[_KEY] = [*session.get(_KEY, ()), mark or ""][-_KEPT:]
