"""`POST /v1/copies`: gives files another address; this release only moves them."""

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
_MOVE = "Must be true: this release only moves files and cannot copy them."


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The address of a file, now or after the move."""

    bucket: str
    key: str


class CopyRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The move of a file; `on_conflict` is what happens if a file exists at `to`."""

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
    description="The bytes, the id, the metadata and the usage of the tenant stay the same. Links "
    "and tickets name addresses, so they do not follow the file. The policy of the bucket at `to` "
    "applies as if the file were uploaded there; in another bucket, the time until the file "
    "expires starts again. If a file exists at `to`, `rename` adds a number to the key, and "
    "`replace` deletes that file. In this release, `move` must be true. The request also needs the "
    f"scope `{READ}`, and `{DELETE}` if files expire in the other bucket or if the caller has "
    "grants. Grants must permit read, write and delete at `from`, and write at `to` (also at a key "
    "that `rename` chooses).",
    body=CopyRequest,
    answers={
        201: Answer(
            "The file at its new address, durably.",
            schemas.FileDocument,
            {
                "Location": "The file.",
                "ETag": "The entity tag of the content.",
                "Idempotent-Replayed": "`true` if an earlier request with this key moved the file.",
            },
        )
    },
    parameters=(
        Parameter("If-Match", "header", "Move the file only if it has this entity tag."),
        Parameter("Idempotency-Key", "header", "Makes it safe to repeat the request."),
    ),
    problems=(
        *(NOT_FOUND, MALFORMED, INVALID_KEY, KEY_TAKEN, OUTSIDE_GRANTS, PRECONDITION, TOO_LARGE),
        *(EXTENSION_NOT_ALLOWED, TYPE_NOT_ALLOWED, IDEMPOTENCY_REUSED),
        *(TOO_MANY_KEYS, UNPROCESSABLE, UNSUPPORTED_MEDIA),
    ),
)


def blueprint(moves: FileMoves) -> ProtectedBlueprint:
    """Return the route."""
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
            # The caller's grants may have changed since `rename` chose this key.
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
    # A repeated request equals the first one only if all of these values are equal.
    what = msgspec.json.encode((source, target, body.on_conflict)).decode()
    return Move(
        tenant=g.principal.tenant,
        source=source,
        target=target,
        on_conflict=body.on_conflict,
        within=reach.within(g.principal, target.bucket),
        condition=conditions.for_write(request.condition("IF_MATCH"), None),
        idempotency=idempotency(request, f"POST {_PATH} {what}"),
    )


def _address(place: Place) -> FileAddress:
    """Return a place with normalized names; raises `InvalidKey` and the problem `not-found`."""
    try:
        bucket = keys.bucket_name(place.bucket)
    except ValueError:
        raise NOT_FOUND("There is no such bucket.") from None
    return FileAddress(bucket, keys.object_key_text(place.key))
