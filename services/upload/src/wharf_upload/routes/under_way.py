"""`GET /v1/uploads`: the list of resumable uploads under way; `resumable.py` has the rest."""

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
    """A filter for uploads."""

    subject: Annotated[
        Annotated[str, msgspec.Meta(pattern=r"^[!-~]{1,255}$(?!\n)")] | None,
        msgspec.Meta(description="Only uploads of this user or client."),
    ] = None
    limit: Annotated[
        int, msgspec.Meta(ge=1, le=1000, description="Maximum number of uploads on a page.")
    ] = 100
    cursor: Annotated[
        str,
        msgspec.Meta(
            description="`next_cursor` of the previous page.",
            pattern=r"^[A-Za-z0-9_-]{0,64}$(?!\n)",
        ),
    ] = ""


def blueprint(uploads: UploadsUnderWay) -> ProtectedBlueprint:
    """Return the route."""
    routes = ProtectedBlueprint("under_way", __name__, protection=scope(WRITE, instead=FOLLOW))

    @routes.get(UPLOADS)
    @operation(
        Operation(
            id="listUploads",
            tag="uploads",
            summary="List the resumable uploads under way, oldest first",
            description="Lists uploads that have not become a file yet. With the scope "
            f"`{FOLLOW}`, the list has all uploads of the tenant; with `{WRITE}`, it has only the "
            "caller's own. Grants narrow both: the list has own uploads if the caller may write "
            "their keys, and uploads of others if the caller may read their keys. A page may have "
            "fewer uploads than `limit`, or none: `next_cursor` tells whether there is another "
            "page.",
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
    """Return the subject of the uploads to list, or `None` for all subjects.

    Raises the problem `insufficient-scope`.
    """
    caller = g.principal
    if FOLLOW in caller.scopes:
        return asked
    if asked not in (None, caller.subject):
        require_scope(caller, FOLLOW)
    own: str = caller.subject
    return own
