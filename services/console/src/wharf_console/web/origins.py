"""Addresses of this service as a whole, for forms of other rooms and for people elsewhere."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import request

from wharf_console.sessions.cookies import is_loopback
from wharf_console.web.current import context


def here_absolute(path: str) -> str:
    """Return a path's whole address by the name with which this browser came."""
    return _origin_of_request() + path


def for_others(path: str) -> str:
    """Return the address that somebody else may be told.

    A person who came by this machine's own name tells the one in the settings.
    """
    gateway = context().settings.gateway_url
    if is_loopback(request.host) and not is_loopback(urlsplit(gateway).netloc):
        return gateway + path
    return _origin_of_request() + path


def _origin_of_request() -> str:
    gateway = urlsplit(context().settings.gateway_url)
    if request.host == gateway.netloc:
        return f"{gateway.scheme}://{gateway.netloc}"
    # TLS may end before the gateway, which then does not know of it.
    is_https = context().settings.is_https and not is_loopback(request.host)
    return f"{'https' if is_https else request.scheme}://{request.host}"
