"""`POST /v1/copies`: files get another address; for now they move there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from flask import Response, g

from servicekit.access import require_scope
from servicekit.operations import Answer, Operation, Parameter, operation
from servicekit.problems import (
    MALFORMED,
    NOT_FOUND,
    TOO_LARGE,
    UNPROCESSABLE,
    UNSUPPORTED_MEDIA,
)
from servicekit.protected_routes import ProtectedBlueprint
from servicekit.protection import scope
from servicekit.tokens import Principal
from servicekit.web import json_response
from wharf_upload.access import reach
from wharf_upload.access.authorization import DELETE, READ, WRITE
from wharf_upload.catalog.moves import FileMoves
from wharf_upload.domain import conditions, keys
from wharf_upload.domain.file_writes import Move
from wharf_upload.domain.files import FileAddress
from wharf_upload.http import flask_glue, schemas
from wharf_upload.http.upload_fields import idempotency
from wharf_upload.problems import (
    EXTENSION_NOT_ALLOWED,
    IDEMPOTENCY_REUSED,
    INVALID_KEY,
    KEY_TAKEN,
    OUTSIDE_GRANTS,
    PRECONDITION,
    TOO_MANY_KEYS,
    TYPE_NOT_ALLOWED,
)

_PATH = "/v1/copies"
_MOVE = "Has to be true: files are moved; copies come with a later release."


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a file is, or will be."""

    bucket: str
    key: str


class CopyRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A file that moves. `on_conflict`: what happens when there is a file at `to`."""

    source: Place = msgspec.field(name="from")
    to: Place
    on_conflict: Literal["error", "rename", "replace"] = "error"
    move: Annotated[bool, msgspec.Meta(description=_MOVE, extra_json_schema={"const": True})] = (
        False
    )


_OPERATION = Operation(
    id="createCopy",
    tag="files",
    summary="Move a file to another key or bucket",
    description="The bytes, the id, the metadata and what the tenant uses stay; links and "
    "tickets name addresses, and do not follow. The policy of the bucket at `to` judges "
    "the file as if it were uploaded there; in another bucket the time until it expires "
    "begins anew. With `rename` a taken key gets a number, with `replace` the file that "
    f"is there is deleted. `move` has to be true for now. The scope `{READ}` is needed, too, and "
    f"`{DELETE}` where files expire in the other bucket, and by callers with grants: these have to "
    "allow read, write and delete at `from`, and write at `to` (also at a key that `rename` "
    "chooses).",
    body=CopyRequest,
    answers={
        201: Answer(
            "The file at its new address, durably.",
            schemas.FileDocument,
            {
                "Location": "The file.",
                "ETag": "Of the content.",
                "Idempotent-Replayed": "`true` when the request was done before.",
            },
        )
    },
    parameters=(
        Parameter("If-Match", "header", "Move only the file with this tag."),
        Parameter("Idempotency-Key", "header", "Makes it safe to send it again."),
    ),
    problems=(
        *(NOT_FOUND, MALFORMED, INVALID_KEY, KEY_TAKEN, OUTSIDE_GRANTS, PRECONDITION, TOO_LARGE),
        *(EXTENSION_NOT_ALLOWED, TYPE_NOT_ALLOWED, IDEMPOTENCY_REUSED),
        *(TOO_MANY_KEYS, UNPROCESSABLE, UNSUPPORTED_MEDIA),
    ),
)


def blueprint(moves: FileMoves) -> ProtectedBlueprint:
    """The route."""
    routes = ProtectedBlueprint("copies", __name__, protection=scope(WRITE).where(_may_read))

    @routes.post(_PATH)
    @operation(_OPERATION)
    def post_copy(body: CopyRequest) -> Response:
        if not body.move:
            raise UNPROCESSABLE(_MOVE, field="move")
        wanted = _move(body)
        reach.require_move(g.principal, wanted.source, wanted.target)
        caller: Principal = g.principal
        stored = moves.move(wanted, lambda: require_scope(caller, DELETE))
        file = stored.files[0]
        if stored.replayed:
            # Grants may have changed since `rename` chose this key.
            reach.require(g.principal, "write", file.bucket, file.key)
        document = schemas.of_file(file)
        response = json_response(document, 201)
        response.headers["Location"] = document.links.content
        response.headers["ETag"] = file.etag
        if stored.replayed:
            response.headers["Idempotent-Replayed"] = "true"
        return response

    return routes


def _may_read(principal: Principal, _: Mapping[str, Any]) -> None:
    require_scope(principal, READ)


def _move(body: CopyRequest) -> Move:
    request = flask_glue.current()
    source, target = _address(body.source), _address(body.to)
    # A request with the same key is the same one when all of this is.
    what = msgspec.json.encode((source, target, body.on_conflict)).decode()
    return Move(
        tenant=g.principal.tenant,
        source=source,
        target=target,
        on_conflict=body.on_conflict,
        within=reach.within(g.principal, target.bucket),
        condition=conditions.for_write(request.header("IF_MATCH"), None),
        idempotency=idempotency(request, f"POST {_PATH} {what}"),
    )


def _address(place: Place) -> FileAddress:
    """Return a place as it is kept; raises `InvalidKey` and the problem `not-found`."""
    try:
        bucket = keys.bucket_name(place.bucket)
    except ValueError:
        raise NOT_FOUND("There is no such bucket.") from None
    return FileAddress(bucket, keys.object_key_text(place.key))
