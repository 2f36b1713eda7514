"""`GET /v1/files/{bucket}`: what is in a bucket."""

from __future__ import annotations

from base64 import b64decode, urlsafe_b64encode
from typing import Annotated

import msgspec
from flask import Blueprint, g

from servicekit.operations import Answer, Operation, operation
from servicekit.problems import MALFORMED, NOT_FOUND
from wharf_upload import documents
from wharf_upload.domain import admission, keys
from wharf_upload.problems import INVALID_KEY
from wharf_upload.service import Service


class ListQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a listing is asked for."""

    prefix: Annotated[str, msgspec.Meta(description="Only keys that begin so.")] = ""
    delimiter: Annotated[
        str, msgspec.Meta(description="Keys are rolled up to this text; usually `/`.", max_length=8)
    ] = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000, description="Entries on a page.")] = 100
    cursor: Annotated[str, msgspec.Meta(description="`next_cursor` of the page before.")] = ""


def blueprint(service: Service) -> Blueprint:
    """The route."""
    routes = Blueprint("listing", __name__)

    @routes.get("/v1/files/<bucket>", strict_slashes=False)
    @operation(
        Operation(
            id="listFiles",
            tag="files",
            summary="List the files of a bucket by key",
            scope="files:read",
            query=ListQuery,
            answers={200: Answer("A page of the bucket.", documents.Listing)},
            problems=(NOT_FOUND, MALFORMED, INVALID_KEY),
        )
    )
    def list_files(bucket: str, query: ListQuery) -> documents.Listing:
        tenant = g.principal.tenant
        admission.find_bucket(service, tenant, bucket)
        page = service.records.list_files(
            tenant,
            bucket,
            prefix=keys.prefix(query.prefix),
            delimiter=query.delimiter,
            after=_after(query.cursor),
            limit=query.limit,
        )
        return documents.Listing(
            files=tuple(documents.of_file(file) for file in page.files),
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
        # Strict: characters that are no base64 would be skipped, and the list begin anew.
        raw = b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True).decode()
    except ValueError:
        raise MALFORMED("cursor is not one that a listing gave.") from None
    if "\0" in raw:
        raise MALFORMED("cursor is not one that a listing gave.")
    return raw
