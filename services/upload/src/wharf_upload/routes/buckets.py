"""`/v1/buckets`: buckets and their policies."""

from __future__ import annotations

from typing import Annotated

import msgspec
from flask import g

from servicekit.operations import Answer, Operation, operation
from servicekit.problems import (
    MALFORMED,
    NOT_FOUND,
    TENANT_LIMIT,
    UNPROCESSABLE,
    UNSUPPORTED_MEDIA,
)
from servicekit.protected_routes import ProtectedBlueprint
from servicekit.protection import scope
from wharf_upload.access import reach
from wharf_upload.catalog.buckets import BucketCatalog
from wharf_upload.domain import policies
from wharf_upload.domain.buckets import LARGEST_PAGE
from wharf_upload.domain.policies import BucketPolicy
from wharf_upload.http import schemas
from wharf_upload.problems import BUCKET_NOT_EMPTY, INVALID_KEY, OUTSIDE_GRANTS

SCOPE = "buckets:admin"


class BucketsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The part of the list to return."""

    limit: Annotated[
        int,
        msgspec.Meta(
            ge=1,
            le=LARGEST_PAGE,
            description="Maximum number of buckets on a page; large policies make a page shorter.",
        ),
    ] = 100
    cursor: Annotated[
        str,
        msgspec.Meta(
            description="`next_cursor` of the previous page.",
            pattern=r"^[A-Za-z0-9_-]{0,64}$(?!\n)",
        ),
    ] = ""


_LIST = Operation(
    id="listBuckets",
    tag="buckets",
    summary="List buckets by name",
    description="A page may have fewer buckets than `limit`: `next_cursor` tells whether there is "
    "another page.",
    query=BucketsQuery,
    problems=(MALFORMED,),
    answers={200: Answer("A page of the buckets that the caller reaches.", schemas.Buckets)},
)
_GET = Operation(
    id="getBucket",
    tag="buckets",
    summary="Read a bucket and its policy",
    answers={200: Answer("The bucket.", schemas.BucketDocument)},
    problems=(NOT_FOUND,),
)
_PUT = Operation(
    id="putBucket",
    tag="buckets",
    summary="Create a bucket or replace its policy",
    body=BucketPolicy,
    body_required=False,
    answers={
        200: Answer("The bucket has this policy now.", schemas.BucketDocument),
        201: Answer("The bucket is new.", schemas.BucketDocument),
    },
    problems=(
        *(NOT_FOUND, MALFORMED, INVALID_KEY, OUTSIDE_GRANTS, TENANT_LIMIT),
        *(UNPROCESSABLE, UNSUPPORTED_MEDIA),
    ),
)
_DELETE = Operation(
    id="deleteBucket",
    tag="buckets",
    summary="Delete an empty bucket",
    answers={204: Answer("The bucket was deleted.")},
    problems=(NOT_FOUND, OUTSIDE_GRANTS, BUCKET_NOT_EMPTY),
)


def blueprint(buckets: BucketCatalog) -> ProtectedBlueprint:
    """Return the routes."""
    routes = ProtectedBlueprint("buckets", __name__, protection=scope("files:read"))

    @routes.get("/v1/buckets")
    @operation(_LIST)
    def list_buckets(query: BucketsQuery) -> schemas.Buckets:
        found, next_cursor = buckets.page(
            g.principal.tenant,
            after=query.cursor,
            limit=query.limit,
            names=reach.named_buckets(g.principal),
        )
        return schemas.Buckets(tuple(schemas.of_bucket(bucket) for bucket in found), next_cursor)

    @routes.get("/v1/buckets/<bucket>")
    @operation(_GET)
    def get_bucket(bucket: str) -> schemas.BucketDocument:
        reach.require_bucket(g.principal, bucket)
        return schemas.of_bucket(buckets.find(g.principal.tenant, bucket))

    @routes.put("/v1/buckets/<bucket>", protection=scope(SCOPE))
    @operation(_PUT)
    def put_bucket(bucket: str, body: BucketPolicy) -> tuple[int, schemas.BucketDocument]:
        reach.require_whole_bucket(g.principal, bucket)
        try:
            policy = policies.checked(body)
        except policies.BadPolicy as error:
            raise UNPROCESSABLE(str(error)) from None
        current, created = buckets.put(g.principal.tenant, bucket, policy)
        return 201 if created else 200, schemas.of_bucket(current)

    @routes.delete("/v1/buckets/<bucket>", protection=scope(SCOPE))
    @operation(_DELETE)
    def delete_bucket(bucket: str) -> None:
        reach.require_whole_bucket(g.principal, bucket)
        buckets.delete(g.principal.tenant, bucket)

    return routes
