"""Addresses of resumable uploads: `/v1/uploads/{id}`, and by ticket `/u/{ticket}/uploads/{id}`.

A client of the IETF protocol follows `Location` and adds nothing of its own, so an upload that
began with the ticket in the path goes on with the ticket in the path. The method tells it from a
file that is called `uploads/{id}`: files are put there, and uploads never.
"""

from __future__ import annotations

import re

from wharf_upload.http.request import TICKETS, UPLOADS, Request, raw_path

_ADDRESS = re.compile(r"(?:/v1|/u/[^/]+)/uploads/([0-9a-f]{32})\Z")


def location(request: Request, identifier: str) -> tuple[str, str]:
    """Return the header field that names an upload which the request has created."""
    if not request.by_ticket:
        return ("Location", f"{UPLOADS}/{identifier}")
    ticket = raw_path(request.environ)[len(TICKETS) :].partition("/")[0]
    return ("Location", f"{TICKETS}{ticket}/uploads/{identifier}")


def identifier_of(path: str) -> str | None:
    """Return the id of the upload whose address is this path; `None` for any other path."""
    found = _ADDRESS.match(path)
    return None if found is None else found[1]


def identifier_in(address: str) -> str | None:
    """Return the id of the upload that a client names, by path or by an absolute address."""
    found = _ADDRESS.search(address.partition("?")[0])
    return None if found is None else found[1]
