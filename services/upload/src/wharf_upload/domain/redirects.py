"""Checks where a form may redirect its browser: only to addresses of the ticket or the bucket.

If a stranger could choose the address, an attacker could use the service's name to lead people to a
malicious page.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from servicekit.tickets import Ticket

# RFC 3986 requires percent-encoding of all other characters. Browsers treat a backslash as a slash,
# and attackers use a user name before the host to deceive people.
_ADDRESS = re.compile(
    r"(?P<origin>[Hh][Tt][Tt][Pp][Ss]?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?)"
    r"(?P<path>/[A-Za-z0-9/._~!$&'()*+,;=:@%-]*)?"
    r"(?P<rest>(?:\?[A-Za-z0-9/._~!$&'()*+,;=:@%?-]*)?(?:#[A-Za-z0-9/._~!$&'()*+,;=:@%?-]*)?)\Z"
)
_MAX_BYTES = 2048


class BadRedirect(ValueError):
    """A form may not redirect to this address; the message names the permitted addresses."""


def check(target: str, ticket: Ticket | None, origins: tuple[str, ...]) -> str:
    """Return the address if a form may redirect to it; raises `BadRedirect`.

    `origins` are the origins in the bucket's policy; all their pages are permitted. The ticket's
    list has complete addresses and folders: an address with "/" at its end permits all addresses
    below it.
    """
    found = _ADDRESS.match(target) if len(target) <= _MAX_BYTES else None
    if found is None or _has_dots(found["path"] or ""):
        raise BadRedirect(
            "redirect is not an absolute address of a page; write it like https://app.example/done."
        )
    if _origin(found["origin"]) in origins:
        return target
    listed = ticket.redirect if ticket is not None else ()
    if any(_falls_under(target, found, entry) for entry in listed):
        return target
    raise BadRedirect(
        "redirect is not allowed: it must be one of the ticket's addresses, below one of them "
        "that ends with /, or at an origin in the bucket's cors_origins."
    )


def page_of(ticket: Ticket | None) -> str | None:
    """Return the first address that the ticket lists; `None` if it is missing or invalid."""
    if ticket is None or not ticket.redirect:
        return None
    try:
        return check(ticket.redirect[0], ticket, ())
    except BadRedirect:
        return None


def _falls_under(target: str, found: re.Match[str], entry: str) -> bool:
    if target == entry:
        return True
    listed = _ADDRESS.match(entry)
    if listed is None or listed["rest"] or not entry.endswith("/"):
        return False
    same = _origin(listed["origin"]) == _origin(found["origin"])
    return same and (found["path"] or "/").startswith(listed["path"])


def _origin(text: str) -> str:
    """Return an origin as browsers send it: lower case, no default port (RFC 6454 section 6.2)."""
    origin = text.lower()
    for scheme, port in (("https://", ":443"), ("http://", ":80")):
        if origin.startswith(scheme):
            origin = origin.removesuffix(port)
    return origin


def _has_dots(path: str) -> bool:
    """Tell whether a browser would shorten the path before the request."""
    return any(unquote(segment) in {".", ".."} for segment in path.split("/"))
