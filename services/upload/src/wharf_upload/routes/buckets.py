"""`/v1/buckets`: buckets and their policies."""

from __future__ import annotations

from flask import Blueprint, g

from servicekit.operations import Answer, Operation, operation
from servicekit.problems import MALFORMED, NOT_FOUND, UNPROCESSABLE, UNSUPPORTED_MEDIA
from wharf_upload import documents
from wharf_upload.domain import admission, keys, policies
from wharf_upload.domain.policies import BucketPolicy
from wharf_upload.problems import BUCKET_NOT_EMPTY, INVALID_KEY
from wharf_upload.records.base import Bucket
from wharf_upload.records.ledger import now_milliseconds
from wharf_upload.service import Service

SCOPE = "buckets:admin"


def blueprint(service: Service) -> Blueprint:
    """The routes."""
    routes = Blueprint("buckets", __name__)

    @routes.get("/v1/buckets")
    @operation(
        Operation(
            id="listBuckets",
            tag="buckets",
            summary="List buckets by name",
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
            id="getBucket",
            tag="buckets",
            summary="Read a bucket and its policy",
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
            id="putBucket",
            tag="buckets",
            summary="Create a bucket or replace its policy",
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
        try:
            policy = policies.checked(body)
        except policies.BadPolicy as error:
            raise UNPROCESSABLE(str(error)) from None
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
            id="deleteBucket",
            tag="buckets",
            summary="Delete an empty bucket",
            scope=SCOPE,
            answers={204: Answer("The bucket is gone.")},
            problems=(NOT_FOUND, BUCKET_NOT_EMPTY),
        )
    )
    def delete_bucket(bucket: str) -> None:
        service.records.delete_bucket(g.principal.tenant, bucket)

    return routes
