"""The cookie that names a session: its name and whether it needs HTTPS, by how a person came."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from flask import Request

# The prefix makes browsers insist on Secure, Path=/ and no Domain (RFC 6265bis section 4.1.3.2).
NAME = "__Host-wharf_console"
# Over plain HTTP on this machine, where not every browser takes the other.
LOOPBACK_NAME = "wharf_console"


def is_loopback(host: str) -> bool:
    """Whether the host of a request names this machine."""
    name = urlsplit(f"//{host}").hostname or ""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def is_plain(request: Request, *, is_https: bool) -> bool:
    """Whether the session's cookie goes without `Secure`; `is_https` is what the settings say."""
    return not is_https and is_loopback(request.host)


def is_kept(request: Request, *, is_https: bool) -> bool:
    """Whether the browser will keep the session's cookie, so that a person can log in.

    Over plain HTTP browsers throw a Secure cookie away, and another one would be everybody's who
    listens. They send `Sec-Fetch-Site` where they trust the connection (since 2023 all of them).
    """
    trusted = "Sec-Fetch-Site" in request.headers
    return is_https or is_loopback(request.host) or trusted
