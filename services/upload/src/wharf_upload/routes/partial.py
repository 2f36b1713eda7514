"""Resumable Uploads for HTTP (draft-ietf-httpbis-resumable-upload): a dialect of the engine.

Interop versions 8 and 9 are spoken. There is no 104 response: nginx forwards no interim response
of an application but 103, and any other breaks the connection. A client that wants to be able to
resume creates carefully: an empty request with `Upload-Complete: ?0` first.
"""

from __future__ import annotations

from servicekit.problems import MALFORMED, UNSUPPORTED_MEDIA
from wharf_upload.domain import admission, digests
from wharf_upload.domain.resumable import Progress, Wanted
from wharf_upload.exchange import Exchange, Headers
from wharf_upload.records.uploads import Options
from wharf_upload.routes.tus import number
from wharf_upload.service import Service

CONTENT_TYPE = "application/partial-upload"
INTEROP_VERSIONS = ("8", "9")
_TRUE, _FALSE = "?1", "?0"


def is_partial(exchange: Exchange) -> bool:
    """Whether the request creates or continues an upload of this protocol."""
    return exchange.header("UPLOAD_COMPLETE") is not None


def require_version(exchange: Exchange) -> None:
    """Raises 400 for a draft that is not spoken here; without the field the newest is meant."""
    version = exchange.header("UPLOAD_DRAFT_INTEROP_VERSION")
    if version is not None and version not in INTEROP_VERSIONS:
        raise MALFORMED(
            f"Upload-Draft-Interop-Version is {' or '.join(INTEROP_VERSIONS)} here.",
            interop_versions=list(INTEROP_VERSIONS),
        )


def complete(exchange: Exchange) -> bool:
    """`Upload-Complete`, a structured-field boolean: whether this request brings the end."""
    text = exchange.header("UPLOAD_COMPLETE")
    if text not in (_TRUE, _FALSE):
        raise MALFORMED("Upload-Complete is ?0 or ?1.")
    return text == _TRUE


def offset(exchange: Exchange) -> int:
    """`Upload-Offset` in bytes."""
    found = number(exchange, "UPLOAD_OFFSET", "Upload-Offset")
    if found is None:
        raise MALFORMED("Send Upload-Offset: where in the file these bytes begin.")
    return found


def length(exchange: Exchange, begins_at: int) -> int | None:
    """The whole length, where it can be told: announced, or from the request with the end."""
    announced = number(exchange, "UPLOAD_LENGTH", "Upload-Length")
    body = exchange.content_length()
    if not complete(exchange) or body is None:
        return announced
    if announced is not None and announced != begins_at + body:
        raise MALFORMED("Upload-Length is not the offset and this request's content together.")
    return begins_at + body


def wanted(service: Service, exchange: Exchange) -> Wanted:
    """The upload that a `PUT` of a file begins; raises what such a `PUT` raises."""
    intent = admission.file_intent(service, exchange)
    return Wanted(
        bucket=intent.bucket,
        key=intent.key,
        length=length(exchange, 0),
        options=Options(
            declared_type=intent.declared_type,
            on_conflict=intent.on_conflict,
            condition=intent.condition,
            # The representation's: this message may hold a part of it only.
            digests=_whole_digests(exchange),
        ),
    )


def _whole_digests(exchange: Exchange) -> dict[str, bytes]:
    field = exchange.header("REPR_DIGEST")
    return dict(digests.expected(field)) if field else {}


def require_content_type(exchange: Exchange) -> None:
    """Raises 415 unless the body is said to be a part of an upload."""
    if exchange.environ.get("CONTENT_TYPE") != CONTENT_TYPE:
        raise UNSUPPORTED_MEDIA(f"Send Content-Type: {CONTENT_TYPE}.", expected=CONTENT_TYPE)


def limit(
    service: Service, progress: Progress | None = None, most: int | None = None
) -> tuple[str, str]:
    """`Upload-Limit`: sizes in bytes (`most`: by the rules of this upload), age in seconds."""
    largest = service.settings.max_file_bytes if most is None else most
    members = [f"max-size={largest}", "min-size=0"]
    if progress is not None:
        left = max(0, progress.upload.expires_at // 1000 - int(service.clock()))
        members.append(f"max-age={left}")
    else:
        members.append(f"max-age={service.settings.upload_expiry_seconds}")
    return ("Upload-Limit", ", ".join(members))


def fields_of(service: Service, progress: Progress, most: int | None = None) -> Headers:
    """What every answer about an upload says."""
    headers: Headers = [
        ("Upload-Complete", _TRUE if progress.complete else _FALSE),
        ("Upload-Offset", str(progress.offset)),
        limit(service, progress, most),
        ("Cache-Control", "no-store"),
    ]
    if progress.upload.length is not None:
        headers.append(("Upload-Length", str(progress.upload.length)))
    return headers
