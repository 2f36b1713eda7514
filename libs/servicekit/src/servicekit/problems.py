"""Problem documents (RFC 9457): their declarations and their rendering.

Each service declares its own problems in its `problems.py`. The pages about problems, the OpenAPI
documents and the labels of metrics are made from the declarations.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

import msgspec

CONTENT_TYPE = "application/problem+json"
BASE = "/problems/"


@dataclass(frozen=True, slots=True)
class Problem:
    """One kind of refusal: `slug` is its stable name, `description` tells what a client can do."""

    slug: str
    title: str
    status: int
    description: str

    @property
    def type(self) -> str:
        """Return the relative URI that names this problem; the gateway serves a page there."""
        return BASE + self.slug

    def __call__(
        self, detail: str, *, headers: tuple[tuple[str, str], ...] = (), **members: object
    ) -> ProblemError:
        """Return an exception of this kind to raise; `members` are added to the document."""
        return ProblemError(self, detail, headers, members)


class ProblemError(Exception):
    """An exception that ends a request with a problem document."""

    def __init__(
        self,
        problem: Problem,
        detail: str,
        headers: tuple[tuple[str, str], ...] = (),
        members: dict[str, object] | None = None,
    ) -> None:
        super().__init__(f"{problem.slug}: {detail}")
        self.problem, self.detail = problem, detail
        self.headers, self.members = headers, members or {}

    def document(self, request_id: str) -> dict[str, object]:
        """Return the members of the JSON document."""
        return {
            "type": self.problem.type,
            "title": self.problem.title,
            "status": self.problem.status,
            "detail": self.detail,
            "request_id": request_id,
            **self.members,
        }

    def body(self, request_id: str) -> bytes:
        """Return the document as JSON."""
        return msgspec.json.encode(self.document(request_id))


class Catalogue:
    """All problems of a service, by slug."""

    def __init__(self) -> None:
        self.by_slug: dict[str, Problem] = {}

    def declare(self, slug: str, status: int, title: str, description: str) -> Problem:
        """Declare a problem; raise `ValueError` if the slug exists already."""
        if slug in self.by_slug:
            raise ValueError(f"problem {slug!r} is declared twice")
        problem = self.by_slug[slug] = Problem(slug, title, status, description)
        return problem


COMMON = Catalogue()

MALFORMED = COMMON.declare(
    "malformed-request",
    400,
    "Malformed request",
    "The request violates the syntax of HTTP or of this API.",
)
TOKEN_MISSING = COMMON.declare(
    "token-missing",
    401,
    "No credential",
    "Send `Authorization: Bearer …` with an access token from `POST /auth/oauth/token`.",
)
TOKEN_EXPIRED = COMMON.declare(
    "token-expired", 401, "The token has expired", "Get a new access token and try again."
)
TOKEN_MALFORMED = COMMON.declare(
    "token-malformed",
    401,
    "The token is malformed",
    "The credential is not an access token of this service: its form, type or claims are wrong.",
)
TOKEN_SIGNATURE = COMMON.declare(
    "token-signature",
    401,
    "The token is wrongly signed",
    "No key of the issuer verifies the token. The token is from another issuer, or it "
    "was changed, or its key is retired.",
)
TOKEN_REVOKED = COMMON.declare(
    "token-revoked",
    401,
    "The token was revoked",
    "One of these was revoked, disabled or ended: the token, a token from which it was "
    "made, its session, its client or its person. Log in again. If the login is refused "
    "as well, ask the tenant's owner.",
)
TENANT_SUSPENDED = COMMON.declare(
    "tenant-suspended",
    403,
    "The tenant is suspended",
    "The service serves no request of this tenant at present. Ask the operator of the "
    "service. After the operator resumes the tenant, everything is as it was.",
)
CREDENTIALS_AMBIGUOUS = COMMON.declare(
    "credentials-ambiguous", 400, "More than one credential", "Send exactly one credential."
)
SCOPE_MISSING = COMMON.declare(
    "insufficient-scope",
    403,
    "The token lacks a scope",
    "Request a token with the scope that `required_scope` names.",
)
FORBIDDEN = COMMON.declare(
    "forbidden",
    403,
    "Not allowed",
    "The service knows the caller, and the caller is not allowed to do this.",
)
NOT_FOUND = COMMON.declare(
    "not-found",
    404,
    "Not found",
    "The address does not exist, or the caller is not allowed to know that it exists.",
)
METHOD = COMMON.declare(
    "method-not-allowed", 405, "Method not allowed", "`Allow` lists the methods of this address."
)
SLOW_REQUEST = COMMON.declare(
    "request-timeout",
    408,
    "The request came too slowly",
    "The gateway waited too long for the next bytes. Send faster, or use a resumable upload.",
)
CONFLICT = COMMON.declare("conflict", 409, "Conflict", "The request contradicts the existing data.")
TENANT_LIMIT = COMMON.declare(
    "tenant-limit-reached",
    409,
    "The tenant has as many of these as it may",
    "`limit` names the kind of objects: `buckets`, `open uploads`, `links`, `clients`, `users`"
    " or `grant bytes` (the bytes of all lists of grants together). `limit_count` is the "
    "largest allowed number. Delete, disable or end objects that you do not need, or ask the "
    "operator for a higher limit (`WHARF_TENANT_MAX_…`). A resumable upload ends when it gets "
    "no bytes for a day, and a link ends when it expires.",
)
HTTPS_REQUIRED = COMMON.declare(
    "https-required",
    400,
    "Only over HTTPS",
    "The request was sent without TLS, and the service did not process it. Send it to "
    "the same address with `https://`. If the request contained a credential, it crossed "
    "the network unencrypted: replace it.",
)
LENGTH_REQUIRED = COMMON.declare(
    "length-required",
    411,
    "Length required",
    "Send `Content-Length`. If the length is not known, send `Transfer-Encoding: chunked`.",
)
TOO_LARGE = COMMON.declare(
    "too-large",
    413,
    "Too large",
    "The body is larger than a limit. `limit` names the limit, and `limit_bytes` is its size. "
    "A body without a length is cut at the limit. If you send `Content-Length`, you get the "
    "response before you send the body.",
)
URI_TOO_LONG = COMMON.declare("uri-too-long", 414, "Address too long", "Shorten the address.")
UNSUPPORTED_MEDIA = COMMON.declare(
    "unsupported-media-type", 415, "Unsupported media type", "Send the type that `expected` names."
)
RANGE = COMMON.declare(
    "range-not-satisfiable",
    416,
    "No such range",
    "The file is shorter than the requested range. `Content-Range` states its length.",
)
MISDIRECTED = COMMON.declare(
    "misdirected", 421, "Unknown host", "This gateway does not serve the requested host."
)
UNPROCESSABLE = COMMON.declare(
    "unprocessable",
    422,
    "Well-formed, but not acceptable",
    "The service can read the request, but one of its values is not acceptable. `detail` names"
    " the value.",
)
RATE_LIMITED = COMMON.declare(
    "quota-exceeded",
    429,
    "Too many requests",
    "Wait for `Retry-After` seconds. `violated_policies` names the limits.",
)
HEADERS_TOO_LARGE = COMMON.declare(
    "headers-too-large", 431, "Header fields too large", "Send fewer or shorter header fields."
)
INTERNAL = COMMON.declare(
    "internal-error",
    500,
    "Internal error",
    "The service has a fault. Report the `request_id` to the operator; the logs of the "
    "service contain the details.",
)
NOT_IMPLEMENTED = COMMON.declare(
    "not-implemented",
    501,
    "Not implemented",
    "The request uses a feature of HTTP that this gateway does not support.",
)
UNAVAILABLE = COMMON.declare(
    "unavailable",
    503,
    "Temporarily unavailable",
    "A required part of the service is down or busy. Try again after `Retry-After` seconds.",
)
TIMEOUT = COMMON.declare(
    "timeout", 504, "Timed out", "The service did not respond in time. Try again."
)


def reason(status: int) -> str:
    """Return the text of the status line, e.g. `404 Not Found`."""
    line = _REASONS.get(status)
    if line is None:
        try:
            phrase = HTTPStatus(status).phrase
        except ValueError:
            # A status that only one protocol defines, for instance 460 of tus.
            phrase = "Refused"
        line = _REASONS[status] = f"{status} {phrase}"
    return line


_REASONS: dict[int, str] = {}
