"""The theme, light or dark: the person's choice, or else the system's setting."""

from __future__ import annotations

from flask import request

COOKIE = "wharf_console_theme"
THEMES = ("auto", "light", "dark")


def current() -> str:
    """Return the theme of the request."""
    chosen = request.cookies.get(COOKIE, "")
    return chosen if chosen in THEMES else "auto"
