"""The answer with a file that lies on an object store: the gateway gets and sends the bytes.

What the gateway does by itself for files on a disk is done here: HEAD, If-Range, and how many
ranges there are (docs/adr/0054-way-out-of-an-object-store.md).
"""

from __future__ import annotations

from servicekit.problems import RANGE
from wharf_upload.domain import conditions
from wharf_upload.domain.files import File
from wharf_upload.domain.ranges import NoSuchRange, one_range
from wharf_upload.http.request import Headers, Request, Response
from wharf_upload.storage.base import GatewayPlace

# The store alone, or the disk and then the store.
INTERNAL_STORE, INTERNAL_BOTH = "/_s3", "/_disk_or_s3/"
# nginx would keep these on the problem as well that it makes of a store's refusal.
_NOT_OF_PROBLEMS = {
    "Cache-Control": "X-Shared-Cache-Control",
    "Content-Disposition": "X-Shared-Disposition",
    "Content-Type": "X-Shared-Type",
}


def send_signed(
    request: Request, file: File, place: GatewayPlace, extension: str, headers: Headers
) -> Response:
    """Return the answer with a file of a `place` that is signed, conditions but If-Range judged.

    `extension` is the type as the gateway knows it. Raises the problem `range-not-satisfiable`.
    """
    if request.method == "HEAD":
        # What is signed is a GET. A range means nothing here (RFC 9110 section 14.2).
        length = ("Content-Length", str(file.size))
        return Response(200, [*headers, length, ("Accept-Ranges", "bytes")])
    fields = [(_NOT_OF_PROBLEMS.get(name, name), value) for name, value in headers]
    fields.append(("X-Accel-Redirect", internal_address(place, extension)))
    fields.append(("X-Wharf-Blob", place.signed))
    fields.append(("X-Shared-Size", str(file.size)))
    wanted = _range_of(request, file)
    if wanted:
        fields.append(("X-Wharf-Range", wanted))
    return Response(200, fields)


def internal_address(place: GatewayPlace, extension: str) -> str:
    """Return the gateway's internal address for a place that is signed."""
    return f"{INTERNAL_BOTH}{place.location}.{extension}" if place.on_disk else INTERNAL_STORE


def _range_of(request: Request, file: File) -> str:
    """Return the range that the store is asked for; empty for the whole file."""
    field = request.header("RANGE")
    if field is None or not conditions.for_range(
        file.etag, file.created_at // 1000, request.header("IF_RANGE")
    ):
        return ""
    try:
        return one_range(field, file.size)
    except NoSuchRange:
        length = ("Content-Range", f"bytes */{file.size}")
        raise RANGE(
            "The file is shorter than the range that was asked for.", headers=(length,)
        ) from None
