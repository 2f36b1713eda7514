"""Contents of files on pages: only from an origin of their own, or on this machine."""

from __future__ import annotations

from flask import request

from wharf_console.sessions.cookies import is_loopback
from wharf_console.settings import Settings
from wharf_console.web import headers


def is_apart(settings: Settings) -> bool:
    """Whether files of people may be shown: what a browser takes for a page harms nobody here."""
    return bool(settings.content_origin) or is_loopback(request.host)


def let_play(settings: Settings) -> None:
    """Let the page of this request have films, sounds and text, in boxes of their own.

    The addresses are the console's, and lead to the origin of the contents.
    """
    if is_apart(settings):
        origins = ("'self'", *filter(None, (settings.content_origin,)))
        headers.allow("media-src", *origins)
        headers.allow("frame-src", *origins)
