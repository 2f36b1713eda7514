"""Shows contents of files on pages: only from a separate origin, or on this machine."""

from __future__ import annotations

from flask import request

from wharf_console.sessions.cookies import is_loopback
from wharf_console.settings import Settings
from wharf_console.web import headers


def is_apart(settings: Settings) -> bool:
    """Tell whether pages may show contents, because a harmful file could not attack the console."""
    return bool(settings.content_origin) or is_loopback(request.host)


def let_play(settings: Settings) -> None:
    """Permit the page of this request to embed video, audio and text, if pages may show contents.

    The embedded addresses belong to the console and redirect to the origin of contents.
    """
    if is_apart(settings):
        origins = ("'self'", *filter(None, (settings.content_origin,)))
        headers.allow("media-src", *origins)
        headers.allow("frame-src", *origins)
