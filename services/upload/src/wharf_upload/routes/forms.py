"""`POST /v1/files/{bucket}`: forms of browsers, dropzones and `curl -F`."""

from __future__ import annotations

from wharf_upload.domain import redirects
from wharf_upload.http import preferences, schemas, upload_protocol
from wharf_upload.http.long_work import can_hand_over
from wharf_upload.http.request import Headers, Request, Response, json_response, path_of
from wharf_upload.http.upload_fields import form_boundary, form_upload
from wharf_upload.uploads.receive_form import FormReceiver, KeptSlice
from wharf_upload.uploads.rules import UploadRules


class FormRoutes:
    """The handler of forms."""

    def __init__(self, rules: UploadRules, receiver: FormReceiver) -> None:
        self._rules, self._receiver = rules, receiver

    def post_spooled(self, request: Request) -> Response:
        """Store all files of an admitted and spooled form, or none of them.

        The response to a form with a slice of a file is a 202 while other slices are missing.
        """
        upload = form_upload(request)
        intent = self._rules.intent_of(upload)
        received = self._receiver.receive(
            request.caller,
            intent,
            request.environ["SPOOL_FILE"],
            form_boundary(request),
            request.environ.get("QUERY_STRING") or "",
            # The page of a refusal of this form also links to this address.
            lambda address: setattr(request, "way_back", address),
            briefly=can_hand_over(request),
        )
        if isinstance(received, KeptSlice):
            request.outcome = "upload-continued"
            kept = schemas.of_slice(received.slice, received.expires_at)
            return json_response(202, kept, [("Cache-Control", "no-store")])
        stored = received.stored
        request.outcome = outcome = "replayed" if stored.replayed else "stored"
        upload_protocol.note_stored(
            "form" if not request.by_ticket else "ticket_form", outcome, stored.files
        )
        headers: Headers = [("Idempotent-Replayed", "true")] if stored.replayed else []
        target = received.redirect or _ticket_page(request)
        if target is not None:
            return Response(303, [*headers, ("Location", target), ("Cache-Control", "no-store")])
        if len(stored.files) == 1:
            headers.append(("Location", path_of(upload.bucket, stored.files[0].key)))
        if preferences.returned(request) == "minimal":
            return Response(204, [*headers, preferences.applied("minimal")])
        files = tuple(schemas.of_file(file) for file in stored.files)
        return json_response(201, schemas.Files(files), headers)


def _ticket_page(request: Request) -> str | None:
    """Return the page of the ticket for a browser that submits a form without a script, or `None`.

    Such a browser needs a page next. Scripts, dropzones and curl do not accept HTML, and get the
    files' JSON.
    """
    if "text/html" not in (request.header("ACCEPT") or "").lower():
        return None
    return redirects.page_of(request.caller.ticket)
