"""The response with a file on an object store: the gateway reads its bytes there and sends them.

For files on a disk, nginx handles HEAD, If-Range and the number of ranges. For files on an object
store, this module handles them (docs/adr/0054-way-out-of-an-object-store.md).
"""

from __future__ import annotations

from servicekit.problems import RANGE
from wharf_upload.domain import conditions
from wharf_upload.domain.files import File
from wharf_upload.domain.ranges import NoSuchRange, one_range
from wharf_upload.http.request import Headers, Request, Response
from wharf_upload.storage.base import GatewayPlace

# With the first address the gateway reads only the object store; with the second one it tries the
# disk and then the object store.
INTERNAL_STORE, INTERNAL_BOTH = "/_s3", "/_disk_or_s3/"
# nginx would also send these fields with the problem that it makes of a refusal by the store.
_NOT_OF_PROBLEMS = {
    "Cache-Control": "X-Shared-Cache-Control",
    "Content-Disposition": "X-Shared-Disposition",
    "Content-Type": "X-Shared-Type",
}


def send_signed(
    request: Request, file: File, place: GatewayPlace, extension: str, headers: Headers
) -> Response:
    """Return the response with a file at a signed `place`; the caller checked the conditions.

    This function evaluates only If-Range. `extension` is the type in the gateway's form. Raises the
    problem `range-not-satisfiable`.
    """
    if request.method == "HEAD":
        # The signature is only for GET. A Range has no meaning for HEAD (RFC 9110 section 14.2).
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
    """Return the gateway's internal address for a signed place."""
    return f"{INTERNAL_BOTH}{place.location}.{extension}" if place.on_disk else INTERNAL_STORE


def _range_of(request: Request, file: File) -> str:
    """Return the range to request from the store; empty for the whole file."""
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
