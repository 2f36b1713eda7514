"""Requests and responses as plain values: a request is a cheap view of a WSGI environment."""

from __future__ import annotations

import re
import time
from typing import Any, NamedTuple

import msgspec

from servicekit.problems import MALFORMED, NOT_FOUND, TOKEN_MISSING
from servicekit.tokens import Principal
from servicekit.web import request_id
from wharf_upload.domain import keys
from wharf_upload.domain.buckets import Policy
from wharf_upload.http.file_paths import FILES as FILES
from wharf_upload.http.file_paths import TICKETS as TICKETS
from wharf_upload.http.file_paths import UPLOADS as UPLOADS
from wharf_upload.http.file_paths import path_of as path_of
from wharf_upload.problems import INVALID_KEY

# The methods of the collection of resumable uploads.
METHODS_OF_ALL = "GET, HEAD, POST, OPTIONS"
# Labels of the metrics, and names in the log.
FILE_ROUTE, FORM_ROUTE = "/v1/files/{bucket}/{key}", "/v1/files/{bucket}"
TICKET_ROUTE = "/u/{ticket}"
# Media types of the bodies of resumable uploads: tus 1.0.0, and the IETF draft.
TUS_TYPE, PARTIAL_UPLOAD_TYPE = "application/offset+octet-stream", "application/partial-upload"
_LENGTH = re.compile(r"[0-9]{1,15}\Z")

Headers = list[tuple[str, str]]


class Response(NamedTuple):
    """A response: status, header fields, body."""

    status: int
    headers: Headers
    body: bytes = b""


class Request:
    """One request; its handlers set `principal`, `room`, `outcome` and other attributes.

    `room` is the id of the reservation for the request's body, or empty. `way_back` is an allowed
    address for the link on the page of a refusal. `shown` is the policy of the bucket if anyone may
    read the file.
    """

    __slots__ = (
        *("environ", "method", "outcome", "principal", "request_id", "route", "started"),
        *("room", "shown", "way_back"),
    )

    def __init__(self, environ: dict[str, Any], route: str) -> None:
        self.environ = environ
        self.route = route
        self.method: str = environ["REQUEST_METHOD"]
        self.started = time.perf_counter()
        self.request_id = request_id(environ)
        self.principal: Principal | None = None
        self.outcome: str | None = None
        self.way_back: str | None = None
        self.room = ""
        self.shown: Policy | None = None

    def header(self, name: str) -> str | None:
        """Return a header field by its WSGI name without `HTTP_`, e.g. `IF_MATCH`, or `None`.

        An empty field counts as absent.
        """
        return self.environ.get("HTTP_" + name) or None

    def condition(self, name: str) -> str | None:
        """Return the header field of a condition by its WSGI name without `HTTP_`, or `None`.

        An empty field is not absent: a client that loses its entity tag must not overwrite a file
        without a condition. `domain.conditions` refuses an empty list of entity tags.
        """
        return self.environ.get("HTTP_" + name)

    @property
    def by_ticket(self) -> bool:
        """Tell whether the credential is in the path: `/u/{ticket}…`."""
        return raw_path(self.environ).startswith(TICKETS)

    @property
    def caller(self) -> Principal:
        """Return the caller; raises the problem `token-missing` if the request has no principal."""
        if self.principal is None:
            raise TOKEN_MISSING("The request has no credential.")
        return self.principal

    def address(self) -> tuple[str, str]:
        """Return bucket and key of `/v1/files/{bucket}/{key…}`, from the path as it was sent.

        Raises the problems `not-found` and `invalid-key`.
        """
        return file_address(raw_path(self.environ), FILES)

    def content_length(self) -> int | None:
        """Return the announced length of the body in bytes; `None` without one (a chunked body).

        Raises `malformed-request`.
        """
        text = self.environ.get("CONTENT_LENGTH") or self.environ.get("HTTP_CONTENT_LENGTH")
        if not text:
            return None
        if not _LENGTH.match(text):
            raise MALFORMED("Content-Length is not a number of bytes.")
        return int(text)

    def body(self, length: int) -> bytes:
        """Return the whole body, which the gateway has received.

        Raises `malformed-request` if the body is shorter than `length`.
        """
        content: bytes = self.environ["wsgi.input"].read(length) if length else b""
        if len(content) != length:
            raise MALFORMED("The body ended before its Content-Length.")
        return content


def raw_path(environ: dict[str, Any]) -> str:
    """Return the path as the client sent it; PATH_INFO has dots and slashes resolved."""
    uri: str = environ.get("REQUEST_URI") or environ["PATH_INFO"]
    return uri.partition("?")[0]


def shown_path(environ: dict[str, Any]) -> str:
    """Return the path as logs may show it; a ticket is a credential, so it is masked."""
    path = raw_path(environ)
    return f"{TICKETS}(masked)" if path.startswith(TICKETS) else path


def names_file(path: str) -> bool:
    """Tell whether a path below `/v1/files/` has a key; a path with only a bucket is a listing."""
    return "/" in path[len(FILES) :].rstrip("/")


def file_address(path: str, prefix: str) -> tuple[str, str]:
    """Return bucket and key of a path below a prefix, e.g. `/v1/files/`.

    Raises the problems `not-found` and `invalid-key`.
    """
    if not path.startswith(prefix):
        # nginx or uWSGI resolved dots or escapes in the path; only the path as sent counts here.
        raise NOT_FOUND("Nothing is here.")
    bucket, _, raw = path[len(prefix) :].partition("/")
    try:
        bucket = keys.bucket_name(bucket)
    except ValueError:
        raise NOT_FOUND("There is no such bucket.") from None
    return bucket, key_of(raw)


def key_of(raw: str) -> str:
    """Return a key from its percent-encoded form; raises the problem `invalid-key`."""
    try:
        return keys.object_key(keys.path_bytes(raw))
    except keys.InvalidKey as error:
        raise INVALID_KEY(str(error), **error.members) from None


def json_response(status: int, content: object, headers: Headers) -> Response:
    """Return a response with a JSON body."""
    headers.append(("Content-Type", "application/json"))
    return Response(status, headers, msgspec.json.encode(content))
