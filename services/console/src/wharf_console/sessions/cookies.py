"""The session's cookie: the request decides its name, and whether it needs HTTPS."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from flask import Request

# The prefix makes browsers insist on Secure, Path=/ and no Domain (RFC 6265bis section 4.1.3.2).
NAME = "__Host-wharf_console"
# The name over plain HTTP on this machine, where not every browser accepts the name with a prefix.
LOOPBACK_NAME = "wharf_console"


def is_loopback(host: str) -> bool:
    """Tell whether the host of a request is this machine."""
    name = urlsplit(f"//{host}").hostname or ""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def is_plain(request: Request, *, is_https: bool) -> bool:
    """Tell whether the cookie has no `Secure`; `is_https` is the value of the settings."""
    return not is_https and is_loopback(request.host)


def is_kept(request: Request, *, is_https: bool) -> bool:
    """Tell whether the browser will keep the session's cookie, so that a person can log in.

    Over plain HTTP browsers discard a Secure cookie, and an attacker in the network could read a
    cookie that is not Secure. Browsers send `Sec-Fetch-Site` on connections that they trust (all
    browsers since 2023).
    """
    trusted = "Sec-Fetch-Site" in request.headers
    return is_https or is_loopback(request.host) or trusted
