"""Where a form may send its browser after it: only where the ticket or the bucket says.

An address that a stranger could choose would let the service lend its name to a trap.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from servicekit.tickets import Ticket

# What is not in here is percent-encoded by whoever writes addresses (RFC 3986); a backslash is a
# slash to browsers, and a user in front of the host is there to deceive.
_ADDRESS = re.compile(
    r"(?P<origin>[Hh][Tt][Tt][Pp][Ss]?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?)"
    r"(?P<path>/[A-Za-z0-9/._~!$&'()*+,;=:@%-]*)?"
    r"(?P<rest>(?:\?[A-Za-z0-9/._~!$&'()*+,;=:@%?-]*)?(?:#[A-Za-z0-9/._~!$&'()*+,;=:@%?-]*)?)\Z"
)
_MAX_BYTES = 2048


class BadRedirect(ValueError):
    """An address that the form may not lead to; the message says what it may lead to."""


def check(target: str, ticket: Ticket | None, origins: tuple[str, ...]) -> str:
    """The address, when it may follow a form; raises `BadRedirect`.

    `origins` are those of the bucket: all their pages are allowed. The ticket's list holds whole
    addresses, and folders: one that ends with "/" allows everything below it.
    """
    found = _ADDRESS.match(target) if len(target) <= _MAX_BYTES else None
    if found is None or _has_dots(found["path"] or ""):
        raise BadRedirect(
            "redirect is no absolute address of a page: write it like https://app.example/done."
        )
    if _origin(found["origin"]) in origins:
        return target
    listed = ticket.redirect if ticket is not None else ()
    if any(_falls_under(target, found, entry) for entry in listed):
        return target
    raise BadRedirect(
        "redirect is not allowed: it has to be one of the ticket's addresses, below one of them "
        "that ends with /, or at an origin in the bucket's cors_origins."
    )


def page_of(ticket: Ticket | None) -> str | None:
    """Return the ticket's own page, the first address that it lists; `None` where it has none."""
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
    """As browsers write it: lower case, no default port (RFC 6454 section 6.2)."""
    origin = text.lower()
    for scheme, port in (("https://", ":443"), ("http://", ":80")):
        if origin.startswith(scheme):
            origin = origin.removesuffix(port)
    return origin


def _has_dots(path: str) -> bool:
    """Whether a browser would shorten the path before it asks for it."""
    return any(unquote(segment) in {".", ".."} for segment in path.split("/"))
