"""The protocol and the outcome of uploads: labels of the metrics."""

from __future__ import annotations

from servicekit.metric_buffers import MetricBuffer
from wharf_upload.domain.files import File
from wharf_upload.http.request import FILES, UPLOADS, Request, raw_path
from wharf_upload.http.upload_addresses import identifier_of

PROTOCOLS = ("raw", "form", "tus", "ietf", "ticket", "ticket_form")
OUTCOMES = ("stored", "replayed", "refused", "failed")

uploads = MetricBuffer()
"""Uploads that ended, by protocol and outcome."""
files = MetricBuffer()
"""Bytes of each file that became visible, by protocol."""


def of(request: Request) -> str | None:
    """Return the protocol of a request; `None` for a request that uploads nothing."""
    path, method = raw_path(request.environ), request.method
    if method == "PUT" and _says_part(request):
        return "ietf"
    of_uploads = path.startswith(UPLOADS) or identifier_of(path) is not None
    if of_uploads and method in {"POST", "PATCH"}:
        return "tus" if request.header("TUS_RESUMABLE") else "ietf"
    if request.by_ticket:
        return {"PUT": "ticket", "POST": "ticket_form"}.get(method)
    if not path.startswith(FILES):
        return None
    return {"PUT": "raw", "POST": "form"}.get(method)


def _says_part(request: Request) -> bool:
    """Tell whether a field announces more requests, even if another field contradicts it."""
    return (
        bool(request.environ.get("WHARF_PART"))
        or (request.header("UPLOAD_COMPLETE") or "").startswith("?0")
        or (request.header("UPLOAD_INCOMPLETE") or "").startswith("?1")
    )


def note_refused(request: Request, status: int) -> None:
    """Count an upload that ended with an error status.

    Requests that upload nothing do not count.
    """
    protocol = of(request)
    if protocol is not None:
        uploads.note(((protocol, outcome(status)), 1))


def outcome(status: int) -> str:
    """Return the outcome of an upload with this error status; 507 is a refusal, not a failure."""
    return "failed" if status >= 500 and status != 507 else "refused"


def note_stored(protocol: str, outcome: str, stored: tuple[File, ...]) -> None:
    """Count a successful upload: `stored` or `replayed`."""
    uploads.note(((protocol, outcome), 1))
    if outcome == "stored":
        label = (protocol,)
        for file in stored:
            files.note((label, file.size))
