"""Addresses of resumable uploads: `/v1/uploads/{id}`, or `/u/{ticket}/uploads/{id}` by ticket.

A client of the IETF protocol follows `Location` and adds no credential, so the address of an upload
that began with the ticket in the path also contains the ticket. The HTTP method distinguishes this
address from the address of a file `uploads/{id}`: clients use PUT for files, and never for uploads.
"""

from __future__ import annotations

import re

from wharf_upload.http.request import TICKETS, UPLOADS, Request, raw_path

_ADDRESS = re.compile(r"(?:/v1|/u/[^/]+)/uploads/([0-9a-f]{32})\Z")


def location(request: Request, identifier: str) -> tuple[str, str]:
    """Return the header field that names the upload that the request created."""
    if not request.by_ticket:
        return ("Location", f"{UPLOADS}/{identifier}")
    ticket = raw_path(request.environ)[len(TICKETS) :].partition("/")[0]
    return ("Location", f"{TICKETS}{ticket}/uploads/{identifier}")


def identifier_of(path: str) -> str | None:
    """Return the id of the upload with this path as address; `None` for any other path."""
    found = _ADDRESS.match(path)
    return None if found is None else found[1]


def identifier_in(address: str) -> str | None:
    """Return the id of the upload that a client names by a path or a whole address, or `None`."""
    found = _ADDRESS.search(address.partition("?")[0])
    return None if found is None else found[1]
