"""`/v1/metadata/{bucket}/{key…}`: the JSON of a file, and changes of its properties."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from flask import Response, g, request
from msgspec import UNSET, UnsetType

from servicekit.access import require_scope
from servicekit.grants import Action
from servicekit.operations import Answer, Operation, Parameter, operation
from servicekit.problems import MALFORMED, NOT_FOUND, UNPROCESSABLE, UNSUPPORTED_MEDIA
from servicekit.protected_routes import ProtectedBlueprint
from servicekit.protection import scope
from servicekit.tokens import Principal
from servicekit.web import json_response
from wharf_upload.access import reach
from wharf_upload.access.authorization import DELETE
from wharf_upload.catalog.file_edit import FileEdit
from wharf_upload.catalog.files import FileCatalog
from wharf_upload.domain import conditions, file_metadata, keys
from wharf_upload.domain.files import File, FileAddress
from wharf_upload.http import schemas
from wharf_upload.http.request import file_address, raw_path
from wharf_upload.problems import (
    EXTENSION_NOT_ALLOWED,
    INVALID_KEY,
    KEY_TAKEN,
    OUTSIDE_GRANTS,
    PRECONDITION,
    TYPE_NOT_ALLOWED,
)

_MetadataText = Annotated[str, msgspec.Meta(max_length=file_metadata.MAX_CHARACTERS)]


class FileChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The properties to change; omitted ones stay. `expires_at` null: the file never expires."""

    key: str | UnsetType = UNSET
    filename: str | UnsetType = UNSET
    metadata: dict[_MetadataText, _MetadataText] | UnsetType = UNSET
    expires_at: datetime | UnsetType | None = UNSET


_PATCH = Operation(
    id="updateFileMetadata",
    tag="files",
    summary="Change a file's name, metadata, expiry or key",
    description=f"Any change of `expires_at` also needs the scope `{DELETE}`; a caller with grants "
    "also needs the grant to delete the file, and at a new key as well. A caller with grants needs "
    f"the scope `{DELETE}` to change the key, because this moves the file.",
    body=FileChange,
    answers={200: Answer("The file after the change.", schemas.FileDocument)},
    parameters=(
        Parameter("If-Match", "header", "Change the file only if it has this entity tag."),
    ),
    problems=(
        *(NOT_FOUND, MALFORMED, INVALID_KEY, KEY_TAKEN, OUTSIDE_GRANTS, PRECONDITION),
        *(EXTENSION_NOT_ALLOWED, TYPE_NOT_ALLOWED, UNPROCESSABLE, UNSUPPORTED_MEDIA),
    ),
)


def blueprint(files: FileCatalog) -> ProtectedBlueprint:
    """Return the routes."""
    routes = ProtectedBlueprint("metadata", __name__, protection=scope("files:read"))

    def current(*actions: Action) -> File:
        bucket, key = file_address(raw_path(request.environ), schemas.METADATA)
        for action in actions:
            reach.require(g.principal, action, bucket, key)
        return files.find(g.principal.tenant, bucket, key)

    @routes.get("/v1/metadata/<bucket>/<path:key>")
    @operation(
        Operation(
            id="getFileMetadata",
            tag="files",
            summary="Read the metadata of a file",
            answers={
                200: Answer(
                    "The file.", schemas.FileDocument, {"ETag": "The entity tag of the content."}
                )
            },
            problems=(NOT_FOUND, INVALID_KEY, OUTSIDE_GRANTS),
        )
    )
    def get_metadata(**_: str) -> Response:
        return _document(current("read"))

    @routes.patch("/v1/metadata/<bucket>/<path:key>", protection=scope("files:write"))
    @operation(_PATCH)
    def patch_metadata(body: FileChange, **_: str) -> Response:
        deleting = _deleting(g.principal, body)
        file = current("read", "write", *deleting)
        if body.key is not UNSET:
            target = FileAddress(file.bucket, keys.object_key_text(body.key))
            if target != file.address:
                reach.require_move(g.principal, file.address, target)
                for action in deleting:
                    reach.require(g.principal, action, target.bucket, target.key)
        condition = conditions.for_write(request.headers.get("If-Match"), None)
        return _document(files.change(file, FileEdit(**msgspec.structs.asdict(body)), condition))

    return routes


def _deleting(principal: Principal, change: FileChange) -> tuple[Action, ...]:
    """Return the further actions that a change needs; raises `insufficient-scope`.

    A change of the expiry needs the right to delete, because a caller could let the file expire in
    the next second.
    """
    if change.expires_at is UNSET:
        return ()
    require_scope(principal, DELETE)
    return ("delete",)


def _document(file: File) -> Response:
    response = json_response(schemas.of_file(file))
    response.headers["ETag"] = file.etag
    return response
