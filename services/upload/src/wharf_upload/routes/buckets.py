"""`/v1/buckets`: buckets and their policies."""

from __future__ import annotations

from typing import Annotated

import msgspec
from flask import Blueprint, g

from servicekit.operations import Answer, Operation, operation
from servicekit.problems import MALFORMED, NOT_FOUND, UNPROCESSABLE, UNSUPPORTED_MEDIA
from wharf_upload import documents
from wharf_upload.domain import admission, keys, media_types
from wharf_upload.problems import BUCKET_NOT_EMPTY, INVALID_KEY
from wharf_upload.records.base import Bucket, Policy
from wharf_upload.records.changes import now_milliseconds
from wharf_upload.service import Service

SCOPE = "buckets:admin"


class BucketPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the bucket takes; what is left out is not limited beyond the service's own limits."""

    max_file_bytes: (
        Annotated[int, msgspec.Meta(ge=1, le=1 << 50, description="Largest file, in bytes.")] | None
    ) = None
    allowed_types: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            max_length=100,
            description="Media types or `type/*`, compared with what the bytes are.",
        ),
    ] = ()


def blueprint(service: Service) -> Blueprint:
    """The routes."""
    routes = Blueprint("buckets", __name__)

    @routes.get("/v1/buckets")
    @operation(
        Operation(
            summary="List buckets",
            scope="files:read",
            answers={200: Answer("The tenant's buckets.", documents.Buckets)},
        )
    )
    def list_buckets() -> documents.Buckets:
        found = service.records.buckets(g.principal.tenant)
        return documents.Buckets(tuple(documents.of_bucket(bucket) for bucket in found))

    @routes.get("/v1/buckets/<bucket>")
    @operation(
        Operation(
            summary="A bucket and its policy",
            scope="files:read",
            answers={200: Answer("The bucket.", documents.BucketDocument)},
            problems=(NOT_FOUND,),
        )
    )
    def get_bucket(bucket: str) -> documents.BucketDocument:
        return documents.of_bucket(admission.find_bucket(service, g.principal.tenant, bucket))

    @routes.put("/v1/buckets/<bucket>")
    @operation(
        Operation(
            summary="Create a bucket or change its policy",
            scope=SCOPE,
            body=BucketPolicy,
            body_required=False,
            answers={
                200: Answer("The bucket has this policy now.", documents.BucketDocument),
                201: Answer("The bucket is new.", documents.BucketDocument),
            },
            problems=(MALFORMED, INVALID_KEY, UNPROCESSABLE, UNSUPPORTED_MEDIA),
        )
    )
    def put_bucket(bucket: str, body: BucketPolicy) -> tuple[int, documents.BucketDocument]:
        for pattern in body.allowed_types:
            if not media_types.is_pattern(pattern):
                raise UNPROCESSABLE(
                    f"allowed_types: {pattern!r} is neither a media type nor `type/*`."
                )
        policy = Policy(max_file_bytes=body.max_file_bytes, allowed_types=body.allowed_types)
        wanted = Bucket(
            tenant=g.principal.tenant,
            name=keys.bucket_name(bucket),
            policy=policy,
            created_at=now_milliseconds(),
        )
        created = service.records.put_bucket(wanted)
        current = admission.find_bucket(service, wanted.tenant, wanted.name)
        return 201 if created else 200, documents.of_bucket(current)

    @routes.delete("/v1/buckets/<bucket>")
    @operation(
        Operation(
            summary="Delete an empty bucket",
            scope=SCOPE,
            answers={204: Answer("The bucket is gone.")},
            problems=(NOT_FOUND, BUCKET_NOT_EMPTY),
        )
    )
    def delete_bucket(bucket: str) -> None:
        service.records.delete_bucket(g.principal.tenant, bucket)

    return routes
