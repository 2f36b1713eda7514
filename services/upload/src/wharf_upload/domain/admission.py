"""Admission: everything that can be decided about an upload before its body is read."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from servicekit.problems import MALFORMED, NOT_FOUND, UNSUPPORTED_MEDIA
from servicekit.tokens import Principal
from wharf_upload.domain import conditions, digests, multipart, tickets
from wharf_upload.domain.uploads import (
    Intent,
    SizeLimit,
    check_name,
    check_size,
    declared_type,
    smallest,
)
from wharf_upload.exchange import Exchange
from wharf_upload.problems import CONTENT_ENCODING, PRECONDITION, STORAGE_FULL
from wharf_upload.records.base import Bucket, Idempotency, KeyTaken, Policy, TicketUsedUp
from wharf_upload.service import Service

_IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,255}\Z")
# What a form adds to its files: boundaries, part headers, plain fields.
FORM_OVERHEAD_BYTES = 1 << 20


def file_intent(service: Service, exchange: Exchange) -> Intent:
    """What a `PUT` wants; raises problems, and the domain's errors for bad fields."""
    bucket, key = tickets.file_address(exchange)
    caller = exchange.caller
    found = find_bucket(service, exchange.caller.tenant, bucket)
    refuse_encodings(exchange)
    header = exchange.header
    intent = Intent(
        tenant=exchange.caller.tenant,
        subject=exchange.caller.subject,
        bucket=bucket,
        key=key,
        policy=found.policy,
        largest=largest_file(service, exchange.caller, found.policy),
        declared_type=declared_type(exchange.environ.get("CONTENT_TYPE")),
        digests=_expected(
            # Of a part of the file only, where more requests follow (`Upload-Complete`).
            header("CONTENT_DIGEST") if header("UPLOAD_COMPLETE") is None else None,
            header("REPR_DIGEST"),
        ),
        condition=conditions.for_write(header("IF_MATCH"), header("IF_NONE_MATCH")),
        idempotency=idempotency(exchange, f"PUT {bucket}/{key}"),
        on_conflict="replace" if tickets.may_replace(caller.ticket) else "error",
        ticket=caller.ticket,
        use=tickets.use_of(caller),
    )
    check_name(intent.filename, intent.policy)
    return intent


def admit_file(service: Service, exchange: Exchange) -> Intent:
    """Decides about a `PUT` before its body is read."""
    intent = file_intent(service, exchange)
    length = exchange.content_length()
    if length is not None:
        check_size(length, intent.largest)
    require_room(service, length or 0)
    _look_at_uses(service, exchange)
    careful = intent.condition is not None or intent.on_conflict == "error"
    if careful and intent.idempotency is None:
        # A first look that spares the body; the commit looks again. With an Idempotency-Key the
        # file that stands in the way may be this request's own, from its first try.
        file = service.records.file(intent.tenant, intent.bucket, intent.key)
        expired = file is not None and file.is_expired(int(service.clock() * 1000))
        there = None if file is None or expired else file
        if intent.condition is not None and not intent.condition.allows(
            None if there is None else there.etag
        ):
            raise precondition_failed()
        if intent.on_conflict == "error" and there is not None:
            raise KeyTaken(there.key)
    return intent


def admit_form(service: Service, exchange: Exchange, bucket: str) -> Policy:
    """Decides about a multipart `POST` before its body is read; the bucket's policy."""
    found = find_bucket(service, exchange.caller.tenant, bucket)
    refuse_encodings(exchange)
    form_boundary(exchange)
    idempotency(exchange, "")
    _look_at_uses(service, exchange)
    length = exchange.content_length()
    if length is not None:
        largest = largest_file(service, exchange.caller, found.policy)
        files = tickets.most_files(exchange.caller.ticket, service.settings.max_form_files)
        if length > largest.bytes * files + FORM_OVERHEAD_BYTES:
            check_size(length, largest)
        # The spooled form and the files copied out of it lie side by side for a moment.
        require_room(service, 2 * length)
    return found.policy


def largest_file(service: Service, principal: Principal, policy: Policy) -> SizeLimit:
    """The size limit that holds for files of this caller in a bucket of this policy."""
    return smallest(
        ("bucket's file limit", policy.max_file_bytes),
        ("ticket's file limit", principal.ticket.max_file_bytes if principal.ticket else None),
        ("tenant's file limit", service.tenant_limits.of(principal.tenant).max_file_bytes),
        ("service's file limit", service.settings.max_file_bytes),
    )


def _look_at_uses(service: Service, exchange: Exchange) -> None:
    """With an Idempotency-Key the last use may have been this request's own, in its first try."""
    if exchange.header("IDEMPOTENCY_KEY") is None:
        look_at_uses(service, exchange.caller)


def look_at_uses(service: Service, caller: Principal) -> None:
    """A first look at a ticket's uses that spares the body; the commit looks again."""
    limit = caller.ticket.max_files if caller.ticket is not None else None
    if limit is None:
        return
    if service.records.ticket_uses(caller.tenant, caller.token_id) >= limit:
        raise TicketUsedUp(limit)


def find_bucket(service: Service, tenant: str, name: str) -> Bucket:
    """The bucket, or the problem `not-found`."""
    found = service.records.bucket(tenant, name)
    if found is None:
        raise NOT_FOUND("There is no such bucket.")
    return found


def form_boundary(exchange: Exchange) -> bytes:
    """The boundary of a multipart request; raises the problem `unsupported-media-type`."""
    content_type = exchange.environ.get("CONTENT_TYPE") or ""
    if content_type.partition(";")[0].strip().lower() != "multipart/form-data":
        raise UNSUPPORTED_MEDIA(
            "Send a form with multipart/form-data, or one file with PUT and its key in the path.",
            expected="multipart/form-data",
        )
    return multipart.boundary_of(content_type)


def idempotency(exchange: Exchange, what: str) -> Idempotency | None:
    """The `Idempotency-Key`, with a fingerprint of what can be told before the body.

    The body's own digest joins it at the commit.
    """
    key = exchange.header("IDEMPOTENCY_KEY")
    if key is None:
        return None
    if not _IDEMPOTENCY_KEY.match(key):
        raise MALFORMED("Idempotency-Key is 1 to 255 visible ASCII characters.")
    caller = exchange.caller
    return Idempotency(
        # The keys of a ticket are its own: whoever holds one must not meet its maker's requests.
        subject=caller.subject if caller.ticket is None else f"{caller.subject} {caller.token_id}",
        key=key,
        fingerprint=hashlib.sha256(what.encode()).hexdigest(),
    )


def require_room(service: Service, length: int) -> None:
    """Raises the problem `storage-full` when a body of so many bytes would fill the disk."""
    free = service.store.free_bytes() - service.settings.disk_reserve_bytes
    if length > free:
        raise STORAGE_FULL(
            f"The body has {length} bytes; there is room for {max(0, free)}.",
            needed_bytes=length,
            free_bytes=max(0, free),
        )


def precondition_failed() -> Exception:
    """The problem `precondition-failed`."""
    return PRECONDITION("The file that is there does not fit If-Match or If-None-Match.")


def refuse_encodings(exchange: Exchange) -> None:
    """Raises problems for bytes that are not those of a file as they are."""
    encoding = exchange.header("CONTENT_ENCODING")
    if encoding is not None and {part.strip().lower() for part in encoding.split(",")} != {
        "identity"
    }:
        raise CONTENT_ENCODING(
            "Content-Encoding is not taken: the file is stored as it is sent. Leave the field out.",
            # RFC 9110 section 12.5.3: what would have been acceptable.
            headers=(("Accept-Encoding", "identity"),),
        )
    if exchange.header("CONTENT_RANGE") is not None:
        # RFC 9110 section 14.5: a server that does not know partial PUT must not store it.
        raise MALFORMED("A partial PUT (Content-Range) is not supported.")


def _expected(*fields: str | None) -> Mapping[str, bytes]:
    """Announced digests; the content of a PUT without encoding is the representation itself."""
    found: dict[str, bytes] = {}
    for field in fields:
        if field is None:
            continue
        for algorithm, digest in digests.expected(field).items():
            if found.setdefault(algorithm, digest) != digest:
                raise digests.MalformedDigest(
                    f"Content-Digest and Repr-Digest announce different {algorithm} digests."
                )
    return found
