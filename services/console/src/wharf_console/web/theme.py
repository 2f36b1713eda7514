"""Light or dark: what the system says, unless a person has chosen."""

from __future__ import annotations

from flask import request

COOKIE = "wharf_console_theme"
THEMES = ("auto", "light", "dark")


def current() -> str:
    """Return the theme of the request."""
    chosen = request.cookies.get(COOKIE, "")
    return chosen if chosen in THEMES else "auto"
