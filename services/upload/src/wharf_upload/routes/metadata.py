"""`/v1/metadata/{bucket}/{key…}`: a file's JSON, and changes of what is not its content."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from flask import Blueprint, Response, g, request
from msgspec import UNSET, UnsetType

from servicekit.operations import Answer, Operation, Parameter, operation
from servicekit.problems import MALFORMED, NOT_FOUND, UNPROCESSABLE, UNSUPPORTED_MEDIA
from servicekit.web import json_response
from wharf_upload import documents
from wharf_upload.domain import admission, conditions, keys
from wharf_upload.domain.uploads import check_rename
from wharf_upload.exchange import file_address, raw_path
from wharf_upload.problems import (
    EXTENSION_NOT_ALLOWED,
    INVALID_KEY,
    KEY_TAKEN,
    PRECONDITION,
    TYPE_NOT_ALLOWED,
)
from wharf_upload.records.base import File
from wharf_upload.service import Service

_MAX_METADATA_BYTES = 8 * 1024
# 9999-12-31T00:00:00Z: later moments cannot be written in RFC 3339 in every time zone.
_END_OF_TIME_SECONDS = 253402214400
_MetadataText = Annotated[str, msgspec.Meta(max_length=1024)]


class FileChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change; what is left out stays. `expires_at` null: never."""

    key: str | UnsetType = UNSET
    filename: str | UnsetType = UNSET
    metadata: dict[_MetadataText, _MetadataText] | UnsetType = UNSET
    expires_at: datetime | UnsetType | None = UNSET


def blueprint(service: Service) -> Blueprint:
    """The routes."""
    routes = Blueprint("metadata", __name__)

    def current() -> File:
        bucket, key = file_address(raw_path(request.environ), documents.METADATA)
        file = service.records.file(g.principal.tenant, bucket, key)
        if file is None or file.is_expired(int(service.clock() * 1000)):
            raise NOT_FOUND("There is no such file.")
        return file

    @routes.get("/v1/metadata/<bucket>/<path:key>")
    @operation(
        Operation(
            id="getFileMetadata",
            tag="files",
            summary="Read what is known of a file",
            scope="files:read",
            answers={200: Answer("The file.", documents.FileDocument, {"ETag": "Of the content."})},
            problems=(NOT_FOUND, INVALID_KEY),
        )
    )
    def get_metadata(**_: str) -> Response:
        return _document(current())

    @routes.patch("/v1/metadata/<bucket>/<path:key>")
    @operation(
        Operation(
            id="updateFileMetadata",
            tag="files",
            summary="Change a file's name, metadata, expiry or key",
            scope="files:write",
            body=FileChange,
            answers={200: Answer("The file after the change.", documents.FileDocument)},
            parameters=(Parameter("If-Match", "header", "Change only the file with this tag."),),
            problems=(
                NOT_FOUND,
                MALFORMED,
                INVALID_KEY,
                KEY_TAKEN,
                PRECONDITION,
                EXTENSION_NOT_ALLOWED,
                TYPE_NOT_ALLOWED,
                UNPROCESSABLE,
                UNSUPPORTED_MEDIA,
            ),
        )
    )
    def patch_metadata(body: FileChange, **_: str) -> Response:
        file = current()
        condition = conditions.for_write(request.headers.get("If-Match"), None)
        new_key = file.key if body.key is UNSET else keys.object_key_text(body.key)

        policy = admission.find_bucket(service, file.tenant, file.bucket).policy

        def edit(current: File) -> File:
            changed = _changed(current, body, new_key, service.clock())
            for old, new in (
                (current.key, changed.key),
                (current.filename, changed.filename),
            ):
                if new != old:
                    check_rename(changed.media_type, new.rpartition("/")[2], policy)
            return changed

        # Judged before it joins a transaction that others share.
        edit(file)
        return _document(service.records.change(file, edit, condition))

    return routes


def _document(file: File) -> Response:
    response = json_response(documents.of_file(file))
    response.headers["ETag"] = file.etag
    return response


def _changed(file: File, change: FileChange, new_key: str, now_seconds: float) -> File:
    filename = file.filename
    if change.filename is not UNSET:
        filename = keys.file_name(change.filename)
    elif new_key != file.key:
        filename = new_key.rpartition("/")[2]
    metadata = file.metadata if change.metadata is UNSET else change.metadata
    if len(msgspec.json.encode(metadata)) > _MAX_METADATA_BYTES:
        raise UNPROCESSABLE(f"metadata takes at most {_MAX_METADATA_BYTES} bytes of JSON.")
    expires_at = file.expires_at
    if change.expires_at is None:
        expires_at = None
    elif change.expires_at is not UNSET:
        expires_at = _expiry(change.expires_at, now_seconds)
    return msgspec.structs.replace(
        file, key=new_key, filename=filename, metadata=metadata, expires_at=expires_at
    )


def _expiry(moment: datetime, now_seconds: float) -> int:
    if moment.tzinfo is None:
        raise UNPROCESSABLE("expires_at needs a time zone, e.g. 2030-01-31T12:00:00Z.")
    seconds = moment.timestamp()
    if seconds <= now_seconds:
        raise UNPROCESSABLE("expires_at lies in the past; to remove a file, delete it.")
    if seconds >= _END_OF_TIME_SECONDS:
        raise UNPROCESSABLE("expires_at lies beyond the year 9999; for never, send null.")
    return int(seconds * 1000)
