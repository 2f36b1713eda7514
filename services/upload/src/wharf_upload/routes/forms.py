"""`POST /v1/files/{bucket}`: forms of browsers, dropzones and `curl -F`."""

from __future__ import annotations

import os

from wharf_upload import documents, protocols
from wharf_upload.domain import admission, digests, redirects, tickets
from wharf_upload.domain.forms import FormReceiver
from wharf_upload.domain.receiving import hash_range
from wharf_upload.domain.uploads import Intent
from wharf_upload.exchange import Exchange, Headers, Reply, json_reply, path_of
from wharf_upload.routes.admitting import form_bucket
from wharf_upload.service import Service


def receive_form(service: Service, exchange: Exchange, spool_file: str) -> Reply:
    """A form that was admitted and is spooled; all its files are stored, or none."""
    principal = exchange.caller
    bucket = form_bucket(exchange)
    policy = admission.find_bucket(service, principal.tenant, bucket).policy
    intent = Intent(
        tenant=principal.tenant,
        subject=principal.subject,
        bucket=bucket,
        key="",
        policy=policy,
        largest=admission.largest_file(service, principal, policy),
        idempotency=admission.idempotency(exchange, f"POST {bucket}"),
        ticket=principal.ticket,
        use=tickets.use_of(principal),
    )
    _verify_message(exchange, spool_file)
    boundary = admission.form_boundary(exchange)
    receiver = FormReceiver(service, intent)
    stored = receiver.receive(spool_file, boundary)
    exchange.outcome = outcome = "replayed" if stored.replayed else "stored"
    protocols.note_stored(
        "form" if not exchange.by_ticket else "ticket_form", outcome, stored.files
    )
    files = tuple(documents.of_file(file) for file in stored.files)
    headers: Headers = [("Idempotent-Replayed", "true")] if stored.replayed else []
    target = receiver.redirect or _ticket_page(exchange)
    if target is not None:
        return Reply(303, [*headers, ("Location", target), ("Cache-Control", "no-store")])
    if len(stored.files) == 1:
        headers.append(("Location", path_of(bucket, stored.files[0].key)))
    return json_reply(201, documents.Files(files), headers)


def _ticket_page(exchange: Exchange) -> str | None:
    """Where the ticket sends a browser that submits a form by itself, which wants a page next.

    Scripts, dropzones and curl do not ask for pages, and get the files' JSON.
    """
    ticket = exchange.caller.ticket
    if ticket is None or not ticket.redirect:
        return None
    if "text/html" not in (exchange.header("ACCEPT") or "").lower():
        return None
    try:
        return redirects.check(ticket.redirect[0], ticket, ())
    except redirects.BadRedirect:
        return None


def _verify_message(exchange: Exchange, spool_file: str) -> None:
    """A form's Content-Digest is that of the whole message, boundaries included (RFC 9530)."""
    field = exchange.header("CONTENT_DIGEST")
    if field is None:
        return
    expected = digests.expected(field)
    hashing = digests.Hashing(sha512="sha-512" in expected)
    descriptor = os.open(spool_file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        hash_range(hashing, descriptor, 0, os.fstat(descriptor).st_size)
    finally:
        os.close(descriptor)
    hashing.verify(expected)
