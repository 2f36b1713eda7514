"""`/v1/tenants/{tenant}/limits`: what a tenant may use, set by an administrator."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from flask import Blueprint

from servicekit.operations import Answer, Operation, operation
from servicekit.problems import MALFORMED, NOT_FOUND, UNPROCESSABLE, UNSUPPORTED_MEDIA
from wharf_upload import documents
from wharf_upload.domain import keys
from wharf_upload.records.base import Limits
from wharf_upload.service import Service

SCOPE = "tenants:admin"
_LARGEST = 1 << 60
_Amount = Annotated[int, msgspec.Meta(ge=0, le=_LARGEST)]
# Counters of a minute are 64 bits wide, and several uploads may join what is counted.
_Rate = Annotated[int, msgspec.Meta(ge=1, le=1 << 50)]


class TenantLimitsBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the tenant may use; null or left out: the default of the settings."""

    max_bytes: _Amount | None = None
    max_files: _Amount | None = None
    max_file_bytes: Annotated[int, msgspec.Meta(ge=1, le=1 << 50)] | None = None
    requests_per_minute: _Rate | None = None
    client_requests_per_minute: _Rate | None = None
    bytes_per_minute: _Rate | None = None
    concurrent_uploads: Literal[1, 2, 4, 8, 16, 32, 64, 128] | None = None


def blueprint(service: Service) -> Blueprint:
    """The routes."""
    routes = Blueprint("limits", __name__)

    @routes.get("/v1/tenants/<tenant>/limits")
    @operation(
        Operation(
            id="getTenantLimits",
            tag="usage",
            summary="Read what a tenant may use",
            scope=SCOPE,
            answers={200: Answer("As it was set, and as it holds.", documents.LimitsDocument)},
            problems=(NOT_FOUND,),
        )
    )
    def get_limits(tenant: str) -> documents.LimitsDocument:
        return _document(service, _known(tenant))

    @routes.put("/v1/tenants/<tenant>/limits")
    @operation(
        Operation(
            id="setTenantLimits",
            tag="usage",
            summary="Set what a tenant may use",
            description="All limits at once. They hold in every process within two seconds; what "
            "is stored already stays.",
            scope=SCOPE,
            body=TenantLimitsBody,
            answers={200: Answer("These hold now.", documents.LimitsDocument)},
            problems=(NOT_FOUND, MALFORMED, UNPROCESSABLE, UNSUPPORTED_MEDIA),
        )
    )
    def put_limits(tenant: str, body: TenantLimitsBody) -> documents.LimitsDocument:
        service.records.put_limits(_known(tenant), Limits(**msgspec.structs.asdict(body)))
        service.tenant_limits.forget(tenant)
        return _document(service, tenant)

    return routes


def _known(tenant: str) -> str:
    """A tenant's name; who exists only auth knows, and limits may be set before the tenant is."""
    try:
        return keys.tenant_name(tenant)
    except keys.InvalidName:
        raise NOT_FOUND("No tenant can have this name.") from None


def _document(service: Service, tenant: str) -> documents.LimitsDocument:
    stored = service.records.limits(tenant)
    return documents.LimitsDocument(
        tenant=tenant, limits=stored, effective=stored.over(service.tenant_limits.defaults)
    )
