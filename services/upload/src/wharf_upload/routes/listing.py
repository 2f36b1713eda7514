"""`GET /v1/files/{bucket}`: lists the files of a bucket."""

from __future__ import annotations

from base64 import b64decode, urlsafe_b64encode
from typing import Annotated

import msgspec
from flask import g

from servicekit.operations import Answer, Operation, operation
from servicekit.problems import MALFORMED, NOT_FOUND
from servicekit.protected_routes import ProtectedBlueprint
from servicekit.protection import scope
from servicekit.tokens import Principal
from wharf_upload.access import reach
from wharf_upload.catalog.files import FileCatalog
from wharf_upload.http import schemas
from wharf_upload.problems import INVALID_KEY


class ListQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The parameters of a listing."""

    prefix: Annotated[str, msgspec.Meta(description="Only keys that begin with this text.")] = ""
    delimiter: Annotated[
        str,
        msgspec.Meta(description="Keys are grouped up to this text; usually `/`.", max_length=8),
    ] = ""
    limit: Annotated[
        int, msgspec.Meta(ge=1, le=1000, description="Maximum number of entries on a page.")
    ] = 100
    cursor: Annotated[str, msgspec.Meta(description="`next_cursor` of the previous page.")] = ""


def blueprint(files: FileCatalog) -> ProtectedBlueprint:
    """Return the route."""
    routes = ProtectedBlueprint("listing", __name__, protection=scope("files:read"))

    @routes.get("/v1/files/<bucket>", strict_slashes=False)
    @operation(
        Operation(
            id="listFiles",
            tag="files",
            summary="List the files of a bucket by key",
            description="A caller with grants sees the files that its grants permit to list, and "
            "the folders above them; its pages have the full length. A page may be shorter if its "
            "files have megabytes of metadata: `next_cursor` tells whether there is another page.",
            query=ListQuery,
            answers={200: Answer("A page of the bucket.", schemas.Listing)},
            problems=(NOT_FOUND, MALFORMED, INVALID_KEY),
        )
    )
    def list_files(bucket: str, query: ListQuery) -> schemas.Listing:
        principal: Principal = g.principal
        reach.require_bucket(principal, bucket)
        page = files.page(
            principal.tenant,
            bucket,
            prefix=query.prefix,
            delimiter=query.delimiter,
            after=_after(query.cursor),
            limit=query.limit,
            within=principal.reach.prefixes("list", bucket),
        )
        return schemas.Listing(
            files=tuple(schemas.of_file(file) for file in page.files),
            prefixes=page.prefixes,
            next_cursor=_cursor(page.next_after),
        )

    return routes


def _cursor(after: str | None) -> str | None:
    if after is None:
        return None
    return urlsafe_b64encode(after.encode()).decode().rstrip("=")


def _after(cursor: str) -> str:
    try:
        # Strict decoding: otherwise foreign characters are skipped, and the list could start again.
        raw = b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True).decode()
    except ValueError:
        raise MALFORMED("cursor is not the next_cursor of a listing.") from None
    if "\0" in raw:
        raise MALFORMED("cursor is not the next_cursor of a listing.")
    return raw
