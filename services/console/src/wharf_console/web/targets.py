"""The targets of redirects after a login or a change, which never leave the console."""

from __future__ import annotations

import posixpath
from urllib.parse import quote, unquote, urlsplit

from flask import request

PREFIX = "/console/"


def here() -> str:
    """Return the address of the page of this request; a browser can open it with a GET."""
    # Encode the path again, because names of files may contain characters that end a path.
    path = quote(request.path, safe="/")
    if request.method in {"GET", "HEAD"}:
        query = request.query_string.decode("latin-1")
        return f"{path}?{query}" if query else path
    rule = request.url_rule
    # Most forms have the same address as their page.
    return path if rule and "GET" in (rule.methods or ()) else PREFIX


def below_console(target: str | None, otherwise: str = PREFIX) -> str:
    """Return the target if it is a path below `/console/`, else `otherwise`.

    A backslash, a control character or `..` could lead a browser to another address.
    """
    if not target or not target.startswith(PREFIX) or "\\" in target or not target.isprintable():
        return otherwise
    parts = urlsplit(target)
    path = unquote(parts.path)
    if parts.scheme or parts.netloc or "\\" in path or "//" in path or not path.isprintable():
        return otherwise
    inside = posixpath.normpath(path) + "/"
    return target if inside.startswith(PREFIX) else otherwise
