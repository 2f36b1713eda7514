"""Processes a form only once: a browser sends a form again when the person reloads the page."""

from __future__ import annotations

import secrets

from flask import session

_KEY = "done_forms"
# The most forms that a session remembers.
_KEPT = 20


def new_mark() -> str:
    """Return a new mark for a form."""
    return secrets.token_urlsafe(12)


def is_done(mark: str | None) -> bool:
    """Tell whether the form with this mark was already processed in this session.

    A form without a mark counts as processed.
    """
    return not mark or mark in session.get(_KEY, ())


def done(mark: str | None) -> None:
    """Remember that the form was processed."""
    session[_KEY] = [*session.get(_KEY, ()), mark or ""][-_KEPT:]
