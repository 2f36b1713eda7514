"""`GET /v1/uploads`: the resumable uploads that are under way; the rest is in `resumable.py`."""

from __future__ import annotations

from typing import Annotated

import msgspec
from flask import g

from servicekit.access import require_scope
from servicekit.operations import Answer, Operation, operation
from servicekit.problems import MALFORMED
from servicekit.protected_routes import ProtectedBlueprint
from servicekit.protection import scope
from wharf_upload.access.authorization import FOLLOW, WRITE
from wharf_upload.http import schemas
from wharf_upload.http.request import UPLOADS
from wharf_upload.uploads.resumable.under_way import UploadsUnderWay


class UploadsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which uploads."""

    subject: Annotated[
        Annotated[str, msgspec.Meta(pattern=r"^[!-~]{1,255}$(?!\n)")] | None,
        msgspec.Meta(description="Only those of this user or client."),
    ] = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000, description="Uploads on a page.")] = 100
    cursor: Annotated[
        str,
        msgspec.Meta(
            description="`next_cursor` of the page before.", pattern=r"^[A-Za-z0-9_-]{0,64}$(?!\n)"
        ),
    ] = ""


def blueprint(uploads: UploadsUnderWay) -> ProtectedBlueprint:
    """The route."""
    routes = ProtectedBlueprint("under_way", __name__, protection=scope(WRITE, instead=FOLLOW))

    @routes.get(UPLOADS)
    @operation(
        Operation(
            id="listUploads",
            tag="uploads",
            summary="List the resumable uploads that are under way, oldest first",
            description=f"Those that have become no file yet. With `{FOLLOW}`, which tells what "
            f"happens to all files, all of the tenant's; with `{WRITE}` the caller's own, as no "
            "other upload exists for the caller elsewhere. Grants narrow both: own uploads are "
            "shown where the caller may write, those of others where it may read. A page may hold "
            "fewer than `limit`, even none: `next_cursor` says whether there is another one.",
            query=UploadsQuery,
            answers={200: Answer("A page of uploads.", schemas.Uploads)},
            problems=(MALFORMED,),
        )
    )
    def list_uploads(query: UploadsQuery) -> schemas.Uploads:
        page = uploads.page(
            g.principal,
            subject=_subject(query.subject),
            after=query.cursor,
            limit=query.limit,
        )
        return schemas.Uploads(
            uploads=tuple(schemas.of_upload(found) for found in page.uploads),
            next_cursor=page.next_after,
        )

    return routes


def _subject(asked: str | None) -> str | None:
    """Whose uploads are shown, `None` for all; raises the problem `insufficient-scope`."""
    caller = g.principal
    if FOLLOW in caller.scopes:
        return asked
    if asked not in (None, caller.subject):
        require_scope(caller, FOLLOW)
    own: str = caller.subject
    return own
