"""`/v1/files/{bucket}/{key…}`: GET, HEAD and PUT, below Flask because they are the hot path.

A PUT comes in one of two ways, and the gateway chooses (`deploy/nginx/conf.d/requests.conf`): a
small body comes along in memory with one request; a large one is admitted first (`admit`), then
spooled by the gateway, then received (`SPOOL_FILE` names it). The client cannot tell them apart.
"""

from __future__ import annotations

from urllib.parse import parse_qs

from servicekit import access
from servicekit.problems import (
    CREDENTIALS_AMBIGUOUS,
    LENGTH_REQUIRED,
    METHOD,
    NOT_FOUND,
    TOKEN_MALFORMED,
    TOKEN_MISSING,
)
from servicekit.tokens import Principal
from wharf_upload import documents, protocols, stages
from wharf_upload.domain import admission, conditions, receiving, serving, tickets
from wharf_upload.domain.keys import file_name
from wharf_upload.exchange import Exchange, Headers, Reply, json_reply, path_of, raw_path
from wharf_upload.problems import PRECONDITION
from wharf_upload.records.base import File, Stored
from wharf_upload.service import Service
from wharf_upload.stores.base import BlobName

READ, WRITE = "files:read", "files:write"
INTERNAL, INTERNAL_MATCHED = "/_blobs/", "/_blobs_matched/"
_QUERY_FIELDS = 8


def put_file(service: Service, exchange: Exchange) -> Reply:
    """A small body: admission and receiving in one."""
    authorize_upload(service, exchange)
    length = exchange.content_length()
    if length is None:
        # A chunked body never comes this way; without any length there is none (RFC 9110 8.6).
        raise LENGTH_REQUIRED("Send Content-Length or Transfer-Encoding: chunked.")
    intent = admission.admit_file(service, exchange)
    service.limits.charge_bytes(exchange.caller, length)
    stages.ended(stages.ADMISSION, exchange.started)
    return _stored(exchange, receiving.receive_bytes(service, intent, exchange.body(length)))


def receive_file(service: Service, exchange: Exchange, spool_file: str) -> Reply:
    """A body that was admitted and is spooled; `exchange.principal` is who was admitted."""
    intent = admission.file_intent(service, exchange)
    return _stored(exchange, receiving.receive_spooled(service, intent, spool_file))


def _stored(exchange: Exchange, stored: Stored) -> Reply:
    file = stored.files[0]
    exchange.outcome = outcome = "replayed" if stored.replayed else "stored"
    protocols.note_stored("ticket" if exchange.by_ticket else "raw", outcome, stored.files)
    headers: Headers = [("Location", path_of(file.bucket, file.key)), ("ETag", file.etag)]
    if stored.replayed:
        headers.append(("Idempotent-Replayed", "true"))
    if "return=minimal" in (exchange.header("PREFER") or "").replace(" ", "").split(","):
        headers.append(("Preference-Applied", "return=minimal"))
        return Reply(204, headers)
    return json_reply(201, documents.of_file(file), headers)


def get_file(service: Service, exchange: Exchange) -> Reply:
    """Decides; the gateway sends the bytes (`X-Accel-Redirect`)."""
    principal = authorize(service, exchange, READ)
    bucket, key = exchange.address()
    file = service.records.file(principal.tenant, bucket, key)
    if file is None or file.state != "available" or file.is_expired(int(service.clock() * 1000)):
        raise NOT_FOUND("There is no such file.")
    name = download_name(exchange.environ.get("QUERY_STRING"), file)
    return serve(service, exchange, file, serving.headers(file, name))


def serve(service: Service, exchange: Exchange, file: File, headers: Headers) -> Reply:
    """The answer with a file whose reader is allowed to have it; judges the conditions."""
    status = _conditional_status(exchange, file)
    if status == 412:
        raise PRECONDITION("The file has changed.", headers=(("ETag", file.etag),))
    if status == 304:
        exchange.outcome = "not-modified"
        # RFC 9110 section 15.4.5: no fields that describe content which is not sent.
        return Reply(304, [field for field in headers if field[0] not in _CONTENT_FIELDS])
    exchange.outcome = "served"
    name = BlobName(file.tenant, file.blob)
    # nginx would test If-Match once more, against a tag of its own making: it has a way without.
    internal = INTERNAL if exchange.header("IF_MATCH") is None else INTERNAL_MATCHED
    headers.append(("X-Accel-Redirect", internal + service.store.internal_path(name)))
    return Reply(200, headers)


_CONTENT_FIELDS = frozenset(("Content-Type", "Content-Disposition", "Repr-Digest"))


def download_name(query: str | None, file: File) -> str | None:
    """The name in `?download=`, the file's own where that is empty; `None` without one."""
    if not query:
        return None
    try:
        fields = parse_qs(query, keep_blank_values=True, max_num_fields=_QUERY_FIELDS)
    except ValueError:
        return None
    names = fields.get("download")
    if not names:
        return None
    return file_name(names[0]) if names[0] else file.filename


def _conditional_status(exchange: Exchange, file: File) -> int:
    header = exchange.header
    return conditions.for_read(
        file.etag,
        file.created_at // 1000,
        if_match=header("IF_MATCH"),
        if_none_match=header("IF_NONE_MATCH"),
        if_modified_since=header("IF_MODIFIED_SINCE"),
        if_unmodified_since=header("IF_UNMODIFIED_SINCE"),
    )


def authorize_upload(service: Service, exchange: Exchange) -> Principal:
    """Who uploads, by a token or by a ticket; raises what `authorize` raises."""
    return authorize(service, exchange, WRITE, takes_tickets=True)


def authorize(
    service: Service, exchange: Exchange, scope: str, *, takes_tickets: bool = False
) -> Principal:
    """Who asks, with the scope, within the rate limits; raises 401, 403 and 429 problems."""
    if exchange.by_ticket:
        principal = exchange.principal = _ticket_holder(service, exchange)
    else:
        principal = exchange.principal = access.authenticate(
            exchange.environ, service.verifier, service.revocations
        )
    access.require_scope(principal, scope, takes_tickets=takes_tickets)
    service.limits.charge(principal)
    return principal


def _ticket_holder(service: Service, exchange: Exchange) -> Principal:
    """Who asks by the ticket in the path: a capability, so that a plain form has a credential."""
    if exchange.header("AUTHORIZATION") or access.in_query(exchange.environ):
        raise CREDENTIALS_AMBIGUOUS(
            "Beside the ticket in its address the request has a credential."
        )
    token = tickets.token_of(raw_path(exchange.environ))
    if not token:
        raise access.unauthorized(TOKEN_MISSING, "The address holds no ticket.", "")
    principal = access.accept(token, service.verifier, service.revocations)
    if principal.ticket is None:
        # It can do more than it should in an address, where others may see it.
        raise access.unauthorized(
            TOKEN_MALFORMED, "The address holds a token that is no upload ticket.", "invalid_token"
        )
    return principal


def refuse_method(allowed: str) -> Exception:
    """The problem `method-not-allowed`."""
    return METHOD(METHOD.description, headers=(("Allow", allowed),))
