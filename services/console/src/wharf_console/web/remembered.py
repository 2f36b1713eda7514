"""Stores a person's choices in the browser for a year: language, theme, look of lists."""

from __future__ import annotations

from flask import request
from werkzeug.wrappers import Response

from wharf_console.sessions import cookies
from wharf_console.web.current import context

_YEAR_SECONDS = 366 * 24 * 3600


def remember(response: Response, cookie: str, choice: str) -> None:
    """Set a cookie with a choice; it is not a secret, and it remains after the logout."""
    response.set_cookie(
        cookie,
        choice,
        max_age=_YEAR_SECONDS,
        path="/",
        secure=not cookies.is_plain(request, is_https=context().settings.is_https),
        httponly=True,
        samesite="Lax",
    )
