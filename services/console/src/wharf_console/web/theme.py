"""Light or dark: what the system says, unless a person has chosen."""

from __future__ import annotations

from flask import request
from werkzeug.wrappers import Response

COOKIE = "wharf_console_theme"
THEMES = ("auto", "light", "dark")
_YEAR_SECONDS = 366 * 24 * 3600


def current() -> str:
    """Return the theme of the request."""
    chosen = request.cookies.get(COOKIE, "")
    return chosen if chosen in THEMES else "auto"


def remember(response: Response, theme: str, *, secure: bool) -> None:
    """Have the browser remember the theme."""
    response.set_cookie(
        COOKIE,
        theme,
        max_age=_YEAR_SECONDS,
        path="/",
        secure=secure,
        httponly=True,
        samesite="Lax",
    )
