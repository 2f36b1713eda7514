"""`auth_request`: nginx asks whether a body may come, before it reads one byte of it.

nginx passes on 2xx, 401 and 403 only, and of a refusal neither body nor other header fields. So a
refusal is always 403 here, with the real status, the problem document and its header fields in
header fields of their own; the gateway makes the answer from them
(`snippets/admission_locations.conf`). An admission names who was admitted, and the gateway hands
that back with the spooled body: a token that expires while a long body comes in does not cost the
body.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec

from servicekit.problems import NOT_FOUND, ProblemError
from servicekit.tokens import Principal
from wharf_upload.domain import admission, quotas, tickets
from wharf_upload.domain.keys import bucket_name
from wharf_upload.exchange import FILES, TICKETS, Exchange, Headers, Reply, names_file, raw_path
from wharf_upload.routes.files import authorize_upload, refuse_method
from wharf_upload.service import Service


class Admission(msgspec.Struct, frozen=True):
    """Who was admitted, and the length of the body (bytes), where it was announced."""

    principal: Principal
    length: int | None


_admission = msgspec.json.Decoder(Admission)
# Header fields of a problem that the gateway passes on (`snippets/admission_locations.conf`).
_PASSED_ON = {
    "WWW-Authenticate": "X-Denied-Authenticate",
    "Retry-After": "X-Denied-Retry-After",
    "RateLimit": "X-Denied-RateLimit",
    "RateLimit-Policy": "X-Denied-RateLimit-Policy",
    "Allow": "X-Denied-Allow",
}


def admit(service: Service, exchange: Exchange) -> Reply:
    """Admits an upload, or raises the problem that refuses it."""
    principal = authorize_upload(service, exchange)
    if exchange.method == "PUT":
        path = raw_path(exchange.environ)
        if path.startswith(FILES) and not names_file(path):
            raise refuse_method("GET, HEAD, POST")
        intent = admission.admit_file(service, exchange)
        quotas.require_for_file(service, intent, exchange.content_length())
    elif exchange.method == "POST":
        admission.admit_form(service, exchange, form_bucket(exchange))
        quotas.require_for_form(service, principal.tenant, exchange.content_length())
    else:
        raise refuse_method("PUT, POST" if exchange.by_ticket else "GET, HEAD, PUT, POST, DELETE")
    return admission_of(service, exchange, principal)


def admission_of(service: Service, exchange: Exchange, principal: Principal) -> Reply:
    """The answer that lets the body come: it names who was admitted, and is charged for it."""
    length = exchange.content_length()
    service.limits.charge_bytes(principal, length)
    exchange.outcome = "admitted"
    token = urlsafe_b64encode(msgspec.json.encode(Admission(principal, length))).decode()
    headers = [("X-Admission", token)]
    uploads = service.tenant_limits.of(principal.tenant).concurrent_uploads
    if uploads is not None:
        # The gateway holds the tenant to this number (`snippets/tenant_uploads.conf`).
        headers.append(("X-Tenant-Uploads", f"{uploads} {principal.tenant}"))
    return Reply(204, headers)


def form_bucket(exchange: Exchange) -> str:
    """The bucket of a form, inside the caller's ticket; raises `not-found`, 405 and what tickets
    raise.
    """
    path = raw_path(exchange.environ)
    ticket = exchange.caller.ticket
    bucket = _named_bucket(path) if ticket is None or not exchange.by_ticket else ticket.bucket
    if exchange.by_ticket and path[len(TICKETS) :].partition("/")[2]:
        raise refuse_method("PUT")
    if ticket is not None:
        tickets.require(ticket, "POST", bucket)
    return bucket


def _named_bucket(path: str) -> str:
    """The bucket of `/v1/files/{bucket}`."""
    if not path.startswith(FILES):
        raise NOT_FOUND("Nothing is here.")
    bucket, _, rest = path[len(FILES) :].partition("/")
    if rest:
        raise refuse_method("GET, HEAD, PUT, DELETE")
    try:
        return bucket_name(bucket)
    except ValueError:
        raise NOT_FOUND("There is no such bucket.") from None


def admitted(token: str) -> Admission:
    """Who was admitted, from what `admit` handed out; only the gateway can set it."""
    return _admission.decode(urlsafe_b64decode(token))


def denial(error: ProblemError, request_id: str) -> Reply:
    """A refusal in the form that nginx can pass on."""
    headers: Headers = [
        ("X-Denied-Status", str(error.problem.status)),
        ("X-Denied-Problem", _ascii_json(error.body(request_id))),
    ]
    for name, value in error.headers:
        if name in _PASSED_ON:
            headers.append((_PASSED_ON[name], value))
    return Reply(403, headers)


def _ascii_json(body: bytes) -> str:
    """JSON in a header field: other scripts escaped, and no line end can be in it."""
    return "".join(
        character if character < "\x7f" else _escaped(character) for character in body.decode()
    )


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
