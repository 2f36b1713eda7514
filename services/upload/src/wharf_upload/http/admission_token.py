"""What the gateway keeps between the admission of a request and the end of its body.

nginx passes on 2xx, 401 and 403 only, and of a refusal neither body nor other header fields. So a
refusal is always 403 here, with the real status, the problem document or page and its header fields
in header fields of their own; the gateway makes the answer from them
(`snippets/admission_locations.conf`). An admission names who was admitted, and the gateway hands
that back with the body: a token that expires while a long body comes in does not cost the body.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

import msgspec

from servicekit import problem_pages
from servicekit.problems import ProblemError
from servicekit.reach import NOTHING
from servicekit.tokens import Principal
from wharf_upload.http.request import Headers, Request, Response


class Admitted(msgspec.Struct, frozen=True):
    """The admitted principal, the length of the body (bytes) where it was announced, and its room.

    `reservation` is the id of what is reserved for the body; empty: nothing is.
    """

    principal: Principal
    length: int | None
    reservation: str = ""


# What the gateway keeps of an answer has room for it and the other fields
# (`snippets/admission_locations.conf`).
_LONGEST_PROBLEM = 15_000
_LONGEST_DETAIL = 1000

_admitted = msgspec.json.Decoder(Admitted)
# Header fields of a problem that the gateway passes on (`snippets/admission_locations.conf`).
_PASSED_ON = {
    "WWW-Authenticate": "X-Denied-Authenticate",
    "Retry-After": "X-Denied-Retry-After",
    "RateLimit": "X-Denied-RateLimit",
    "RateLimit-Policy": "X-Denied-RateLimit-Policy",
    "Allow": "X-Denied-Allow",
}


# The first part of tokens, by the id of the principal that it names. A principal lives as long as
# its token is remembered, and its grants may be 2 KiB.
_known: dict[int, tuple[Principal, str]] = {}
_KNOWN_ENTRIES = 1024


def encode(admitted: Admitted) -> str:
    """Return the token that the gateway hands back; it never leaves the gateway."""
    principal, length = admitted.principal, admitted.length
    known = _known.get(id(principal))
    if known is None or known[0] is not principal:
        if len(_known) >= _KNOWN_ENTRIES:
            _known.clear()
        known = _known[id(principal)] = (principal, _first_part(principal))
    rest = b"null" if length is None else b"%d" % length
    if admitted.reservation:
        rest += b',"reservation":"%b"' % admitted.reservation.encode()
    return known[1] + urlsafe_b64encode(rest + b"}").decode()


def _first_part(principal: Principal) -> str:
    """Return the token up to the length, in base64 that can be gone on with."""
    if not principal.reach.is_everything:
        # It is resolved anew with the body (`Authorizer.recheck`): it may be another one by then.
        principal = msgspec.structs.replace(principal, reach=NOTHING)
    begin = b'{"principal":' + msgspec.json.encode(principal)
    end = b',"length":'
    padding = b" " * (-(len(begin) + len(end)) % 3)
    return urlsafe_b64encode(begin + padding + end).decode()


def of_request(request: Request) -> Admitted | None:
    """Return who was admitted before this request's body; `None` where nobody was asked."""
    token = request.environ.get("ADMISSION")
    return _admitted.decode(urlsafe_b64decode(token)) if token else None


def denial(
    error: ProblemError,
    request_id: str,
    environ: Mapping[str, Any],
    way_back: str | None = None,
) -> Response:
    """Return a refusal in the form that nginx can pass on: the document, or the page.

    One that is too long for that loses its members and the end of its detail.
    """
    form, text = _told(error, request_id, environ, way_back)
    if len(text) > _LONGEST_PROBLEM:
        detail = error.detail[:_LONGEST_DETAIL] + "\u2026"
        form, text = _told(error.problem(detail), request_id, environ, way_back)
    headers: Headers = [
        ("X-Denied-Status", str(error.problem.status)),
        ("X-Denied-Problem", text),
        ("X-Denied-Form", form),
    ]
    for name, value in error.headers:
        if name in _PASSED_ON:
            headers.append((_PASSED_ON[name], value))
    return Response(403, headers)


def _told(
    error: ProblemError, request_id: str, environ: Mapping[str, Any], way_back: str | None
) -> tuple[str, str]:
    """Return the form of a refusal, as the gateway calls it, and the refusal in ASCII."""
    content_type, body = problem_pages.render(error, request_id, environ, way_back)
    if content_type == problem_pages.CONTENT_TYPE:
        return "page", _ascii_html(body)
    return "document", _ascii_json(body)


def _ascii_html(body: bytes) -> str:
    """HTML in a header field; a page is one line already."""
    return body.decode().encode("ascii", "xmlcharrefreplace").decode()


def _ascii_json(body: bytes) -> str:
    """JSON in a header field: other scripts escaped, and no line end can be in it."""
    return "".join(
        character if character < "\x7f" else _escaped(character) for character in body.decode()
    )


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
