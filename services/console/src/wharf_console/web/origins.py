"""Absolute addresses of this installation, for redirects of the API and for other people."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import request

from wharf_console.sessions.cookies import is_loopback
from wharf_console.web.current import context


def here_absolute(path: str) -> str:
    """Return the absolute address of a path, with the host name that this browser used."""
    return _origin_of_request() + path


def for_others(path: str) -> str:
    """Return the absolute address of a path, for other people.

    If this browser used a loopback name, use the name in the settings.
    """
    gateway = context().settings.gateway_url
    if is_loopback(request.host) and not is_loopback(urlsplit(gateway).netloc):
        return gateway + path
    return _origin_of_request() + path


def _origin_of_request() -> str:
    gateway = urlsplit(context().settings.gateway_url)
    if request.host == gateway.netloc:
        return f"{gateway.scheme}://{gateway.netloc}"
    # A proxy may terminate TLS in front of the gateway, which then does not know about TLS.
    is_https = context().settings.is_https and not is_loopback(request.host)
    return f"{'https' if is_https else request.scheme}://{request.host}"
