"""By which protocol an upload comes, and how it ended: labels of the metrics."""

from __future__ import annotations

from wharf_upload import noted
from wharf_upload.exchange import FILES, Exchange, raw_path
from wharf_upload.records.base import File

_UPLOADS = "/v1/uploads"


def of(exchange: Exchange) -> str | None:
    """The protocol of a request; `None` for one that brings no file."""
    path, method = raw_path(exchange.environ), exchange.method
    if exchange.by_ticket:
        return {"PUT": "ticket", "POST": "ticket_form"}.get(method)
    if path.startswith(_UPLOADS) and method in {"POST", "PATCH"}:
        return "tus" if exchange.header("TUS_RESUMABLE") else "ietf"
    if not path.startswith(FILES):
        return None
    if method == "PUT":
        return "ietf" if exchange.header("UPLOAD_COMPLETE") else "raw"
    return "form" if method == "POST" else None


def outcome(status: int) -> str:
    """How an upload that was answered with this error ended: 507 says no, it does not fail."""
    return "failed" if status >= 500 and status != 507 else "refused"


def note_stored(protocol: str, outcome: str, files: tuple[File, ...]) -> None:
    """Notes an upload that ended well: `stored` or `replayed`."""
    noted.uploads.note(((protocol, outcome), 1))
    if outcome == "stored":
        label = (protocol,)
        for file in files:
            noted.files.note((label, file.size))
