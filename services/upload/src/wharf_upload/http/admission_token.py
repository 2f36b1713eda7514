"""The data that nginx keeps between the admission of a request and the end of its body.

A subrequest of nginx can only return 2xx, 401 or 403, and nginx discards the body and the header
fields of a refusal. So a refusal always has the status 403 here. The real status, the document or
page and the header fields of a refusal are in separate header fields, from which nginx makes the
response (`snippets/admission_locations.conf`). The response to an admission contains an admission
token, which names the admitted principal, and nginx sends it back together with the body. So an
upload does not fail when the access token expires while a long body arrives.
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
    """The admitted principal, the body's announced length (bytes) or `None`, and its reservation.

    `reservation` is the id of the body's reservation; it is empty if there is none.
    """

    principal: Principal
    length: int | None
    reservation: str = ""


# The gateway's buffer for a response has room for a problem of this length and the other header
# fields (`snippets/admission_locations.conf`).
_LONGEST_PROBLEM = 15_000
_LONGEST_DETAIL = 1000

_admitted = msgspec.json.Decoder(Admitted)
# The header fields of a problem that the gateway passes to the client
# (`snippets/admission_locations.conf`).
_PASSED_ON = {
    "WWW-Authenticate": "X-Denied-Authenticate",
    "Retry-After": "X-Denied-Retry-After",
    "RateLimit": "X-Denied-RateLimit",
    "RateLimit-Policy": "X-Denied-RateLimit-Policy",
    "Allow": "X-Denied-Allow",
}


# The first parts of tokens, by the `id()` of the principal in the token. They are cached, so that a
# principal is not encoded again for each body. An entry also has the principal itself, so that no
# other object can get the same `id()`.
_known: dict[int, tuple[Principal, str]] = {}
_KNOWN_ENTRIES = 1024


def encode(admitted: Admitted) -> str:
    """Return the token that the gateway sends back with the body; no client gets this token."""
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
    """Return the token up to its member `length`; more base64 can be appended to the result."""
    if not principal.reach.is_everything:
        # `Authorizer.recheck` determines the reach again when the body has arrived, because the
        # grants may have changed.
        principal = msgspec.structs.replace(principal, reach=NOTHING)
    begin = b'{"principal":' + msgspec.json.encode(principal)
    end = b',"length":'
    padding = b" " * (-(len(begin) + len(end)) % 3)
    return urlsafe_b64encode(begin + padding + end).decode()


def of_request(request: Request) -> Admitted | None:
    """Return the admission of this request's body, or `None` without an admission."""
    token = request.environ.get("ADMISSION")
    return _admitted.decode(urlsafe_b64decode(token)) if token else None


def denial(
    error: ProblemError,
    request_id: str,
    environ: Mapping[str, Any],
    way_back: str | None = None,
) -> Response:
    """Return a refusal in the form that nginx can pass to the client, as a document or a page.

    A refusal that is too long loses its members and the end of its detail.
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
    """Return the form of a refusal (`page` or `document`), and its text in ASCII."""
    content_type, body = problem_pages.render(error, request_id, environ, way_back)
    if content_type == problem_pages.CONTENT_TYPE:
        return "page", _ascii_html(body)
    return "document", _ascii_json(body)


def _ascii_html(body: bytes) -> str:
    """Return a page as a header field can carry it: in ASCII; a page already has only one line."""
    return body.decode().encode("ascii", "xmlcharrefreplace").decode()


def _ascii_json(body: bytes) -> str:
    """Return JSON as a header field can carry it: non-ASCII characters are escaped."""
    return "".join(
        character if character < "\x7f" else _escaped(character) for character in body.decode()
    )


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
