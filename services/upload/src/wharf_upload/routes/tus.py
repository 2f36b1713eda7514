"""tus 1.0.0 (https://tus.io/protocols/resumable-upload), on the common upload engine."""

from __future__ import annotations

import base64
import binascii
import json

from servicekit.problems import MALFORMED, UNPROCESSABLE, UNSUPPORTED_MEDIA
from servicekit.tickets import Ticket
from wharf_upload.access import tickets
from wharf_upload.domain import digests, file_metadata, keys
from wharf_upload.domain.buckets import DEFAULT_BUCKET
from wharf_upload.domain.resumable_upload import Concat, Upload, UploadOptions
from wharf_upload.domain.upload_intent import declared_type
from wharf_upload.http.completeness import number
from wharf_upload.http.request import TUS_TYPE, UPLOADS, Headers, Request
from wharf_upload.http.upload_addresses import identifier_in
from wharf_upload.http.upload_fields import idempotency, write_condition
from wharf_upload.problems import TUS_VERSION, UPLOAD_LENGTH
from wharf_upload.uploads import form_options
from wharf_upload.uploads.form_options import FormOptions
from wharf_upload.uploads.resumable import metadata
from wharf_upload.uploads.resumable.held import expires_field
from wharf_upload.uploads.resumable.values import Checksum, Progress, UploadCreation

VERSION = "1.0.0"
# Without checksum-trailer, because nginx does not forward the trailers of requests.
EXTENSIONS = (
    "creation,creation-defer-length,creation-with-upload,expiration,checksum,termination,"
    "concatenation,concatenation-unfinished"
)
_BLOCKED_METHODS = frozenset(("PATCH", "DELETE"))
_ALGORITHMS = {"sha1": "sha1", "sha256": "sha256"}
_DIGEST_BYTES = {"sha1": 20, "sha256": 32}
# The names in Upload-Metadata that describe the file; all other pairs become its metadata.
_KNOWN = frozenset(
    ("bucket", "key", "filename", "name", "filetype", "type", "prefix", "on_conflict")
)


def is_tus(request: Request) -> bool:
    """Tell whether the client uses tus."""
    return request.header("TUS_RESUMABLE") is not None


def require_tus(request: Request) -> None:
    """Raise `malformed-request` for a request that creates an upload without tus."""
    if not is_tus(request):
        raise MALFORMED(
            "This address creates uploads by tus (send Tus-Resumable: 1.0.0); the IETF protocol "
            "begins with PUT of the file and Upload-Complete: ?0."
        )


def meant_method(request: Request) -> str:
    """Return the method of a request; in a `POST`, `X-HTTP-Method-Override` may name another one.

    Clients use this field because some networks block `PATCH` and `DELETE`. The gateway reads the
    field in the same way (`conf.d/requests.conf`).
    """
    meant = request.header("X_HTTP_METHOD_OVERRIDE")
    return meant if request.method == "POST" and meant in _BLOCKED_METHODS else request.method


def require_version(request: Request) -> None:
    """Raise 412 for another version of the protocol."""
    if request.header("TUS_RESUMABLE") != VERSION:
        raise TUS_VERSION(
            # The gateway adds Tus-Version, even to its own refusals.
            f"The service supports tus {VERSION}; send Tus-Resumable: {VERSION}.",
            tus_version=VERSION,
        )


def options(max_file_bytes: int) -> Headers:
    """Return the header fields of the response to `OPTIONS`."""
    return [
        ("Tus-Resumable", VERSION),
        ("Tus-Version", VERSION),
        ("Tus-Extension", EXTENSIONS),
        ("Tus-Max-Size", str(max_file_bytes)),
        ("Tus-Checksum-Algorithm", ",".join(_ALGORITHMS)),
    ]


def creation(request: Request) -> UploadCreation:
    """Return the upload that a `POST` creates; raises problems."""
    concat, parts = _concat(request)
    length = _length(request, concat)
    echo = request.header("UPLOAD_METADATA") or ""
    try:
        fields = metadata.parse(echo)
    except metadata.MalformedMetadata as error:
        raise MALFORMED(str(error)) from None
    bucket = _bucket(fields, request.caller.ticket)
    header = request.header
    condition = write_condition(request)
    options = form_options.read(
        {name: fields[name] for name in ("prefix", "on_conflict") if fields.get(name)},
        request.caller.ticket,
        condition,
    )
    key = _key(fields, options, needed=concat != "partial")
    if request.caller.ticket is not None:
        tickets.require(request.caller.ticket, "POST", bucket, key or None)
    own = _own_metadata(fields)
    # The metadata is part of the request: a request with other metadata is a different one.
    what = f"POST {UPLOADS} {bucket}/{key} {json.dumps(own, sort_keys=True)}"
    return UploadCreation(
        bucket=bucket,
        key=key,
        length=length,
        concat=concat,
        parts=parts,
        options=UploadOptions(
            declared_type=declared_type(fields.get("filetype") or fields.get("type")),
            on_conflict=options.on_conflict,
            condition=condition,
            digests=digests.expected(header("REPR_DIGEST") or ""),
            echo=echo,
            metadata=own,
            idempotency=idempotency(request, what),
            protocol="tus",
        ),
    )


def _own_metadata(fields: dict[str, str]) -> dict[str, str]:
    """Return the pairs that become the file's metadata; raises 400 if they are too large."""
    own = {name: value for name, value in fields.items() if name not in _KNOWN}
    try:
        file_metadata.check(own)
    except file_metadata.MetadataTooLarge as error:
        raise MALFORMED(f"Upload-Metadata: {error}") from None
    return own


def _bucket(fields: dict[str, str], ticket: Ticket | None) -> str:
    default = ticket.bucket if ticket is not None else DEFAULT_BUCKET
    try:
        return keys.bucket_name(fields.get("bucket") or default)
    except ValueError as error:
        raise UNPROCESSABLE(f"Upload-Metadata: bucket: {error}", field="bucket") from None


def _key(fields: dict[str, str], options: FormOptions, *, needed: bool) -> str:
    """Return `key`, or a key for the file's name as for forms; raises `InvalidName`.

    Without both, return the ticket's key, or "" if no key is `needed`; otherwise raise 422.
    """
    if fields.get("key"):
        return keys.object_key_text(fields["key"])
    name = fields.get("filename") or fields.get("name")
    if name:
        return options.key_of(keys.file_name(name))
    if options.key is not None:
        return options.key
    if needed:
        raise UNPROCESSABLE(
            "Upload-Metadata names neither a key nor a filename; send one of them.", field="key"
        )
    return ""


def _length(request: Request, concat: Concat) -> int | None:
    length = announced_length(request)
    deferred = request.header("UPLOAD_DEFER_LENGTH")
    if concat == "final":
        if length is not None or deferred is not None:
            raise MALFORMED("A final upload has the length of its parts; send no Upload-Length.")
        return None
    if deferred is not None and (deferred != "1" or length is not None):
        raise MALFORMED("Send either Upload-Length or Upload-Defer-Length: 1.")
    if deferred is None and length is None:
        raise UPLOAD_LENGTH("Send Upload-Length, or Upload-Defer-Length: 1.")
    return length


def announced_length(request: Request) -> int | None:
    """Return `Upload-Length` in bytes, or `None`; raises 400 for an invalid number."""
    return number(request, "UPLOAD_LENGTH", "Upload-Length")


def _concat(request: Request) -> tuple[Concat, tuple[str, ...]]:
    text = request.header("UPLOAD_CONCAT")
    if text is None:
        return "", ()
    kind, _, rest = text.partition(";")
    if kind == "partial" and not rest:
        return "partial", ()
    parts = tuple(identifier_in(part) for part in rest.split())
    if kind != "final" or not parts or None in parts or len(set(parts)) < len(parts):
        raise MALFORMED("Upload-Concat must be `partial`, or `final;` with the parts' addresses.")
    return "final", tuple(part for part in parts if part is not None)


def checksum(request: Request) -> Checksum | None:
    """Return the `Upload-Checksum` of this request's body, or `None`; raises 400 if it is wrong."""
    text = request.header("UPLOAD_CHECKSUM")
    if text is None:
        return None
    name, _, encoded = text.partition(" ")
    if name not in _ALGORITHMS:
        raise MALFORMED(f"Upload-Checksum: the algorithms are {', '.join(_ALGORITHMS)}.")
    try:
        digest = base64.b64decode(encoded.strip(), validate=True)
    except binascii.Error:
        digest = b""
    if len(digest) != _DIGEST_BYTES[name]:
        raise MALFORMED(f"Upload-Checksum is not the base64 of a {name}.")
    return Checksum(_ALGORITHMS[name], digest)


def require_content_type(request: Request) -> None:
    """Raise 415 unless the Content-Type is that of bytes of an upload."""
    if request.environ.get("CONTENT_TYPE") != TUS_TYPE:
        raise UNSUPPORTED_MEDIA(f"Send Content-Type: {TUS_TYPE}.", expected=TUS_TYPE)


def fields_of(progress: Progress) -> Headers:
    """Return the header fields of every response about an upload; nginx adds `Tus-Resumable`."""
    upload = progress.upload
    headers: Headers = [("Cache-Control", "no-store")]
    if upload.concat != "final" or progress.complete:
        headers.append(("Upload-Offset", str(progress.offset)))
    headers += _length_fields(upload)
    if not progress.complete:
        headers.append(expires_field(upload))
    return headers


def head_fields(progress: Progress) -> Headers:
    """Return the additional header fields of the response to `HEAD`."""
    upload = progress.upload
    headers: Headers = []
    if upload.options.echo:
        headers.append(("Upload-Metadata", upload.options.echo))
    if upload.concat == "partial":
        headers.append(("Upload-Concat", "partial"))
    if upload.concat == "final":
        parts = " ".join(f"{UPLOADS}/{part}" for part in upload.parts)
        headers.append(("Upload-Concat", f"final;{parts}"))
    return headers


def _length_fields(upload: Upload) -> Headers:
    if upload.length is not None:
        return [("Upload-Length", str(upload.length))]
    return [] if upload.concat == "final" else [("Upload-Defer-Length", "1")]
