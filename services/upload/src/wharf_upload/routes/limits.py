"""`/v1/tenants/{tenant}/limits`: the limits of a tenant, set by an administrator."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from servicekit.operations import Answer, Operation, operation
from servicekit.problems import MALFORMED, NOT_FOUND, UNPROCESSABLE, UNSUPPORTED_MEDIA
from servicekit.protected_routes import ProtectedBlueprint
from servicekit.protection import scope
from wharf_upload.domain import keys
from wharf_upload.domain.tenant_limits import Limits
from wharf_upload.http import schemas
from wharf_upload.tenancy.limits import LimitsAdministration

_LARGEST = 1 << 60
_Amount = Annotated[int, msgspec.Meta(ge=0, le=_LARGEST)]
# The counters of a minute have 64 bits, and several uploads may add to one counter.
_Rate = Annotated[int, msgspec.Meta(ge=1, le=1 << 50)]


class TenantLimitsBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The limits of the tenant; null or omitted: the default of the settings."""

    max_bytes: _Amount | None = None
    max_files: _Amount | None = None
    max_file_bytes: Annotated[int, msgspec.Meta(ge=1, le=1 << 50)] | None = None
    requests_per_minute: _Rate | None = None
    client_requests_per_minute: _Rate | None = None
    bytes_per_minute: _Rate | None = None
    concurrent_uploads: Literal[1, 2, 4, 8, 16, 32, 64, 128] | None = None


def blueprint(limits: LimitsAdministration) -> ProtectedBlueprint:
    """Return the routes."""
    routes = ProtectedBlueprint("limits", __name__, protection=scope("tenants:admin"))

    @routes.get("/v1/tenants/<tenant>/limits")
    @operation(
        Operation(
            id="getTenantLimits",
            tag="usage",
            summary="Read the limits of a tenant",
            answers={200: Answer("The stored and the effective limits.", schemas.LimitsDocument)},
            problems=(NOT_FOUND,),
        )
    )
    def get_limits(tenant: str) -> schemas.LimitsDocument:
        return _document(limits, _known(tenant))

    @routes.put("/v1/tenants/<tenant>/limits")
    @operation(
        Operation(
            id="setTenantLimits",
            tag="usage",
            summary="Set the limits of a tenant",
            description="Replaces all limits. They apply everywhere within two seconds; files that "
            "are already stored stay.",
            body=TenantLimitsBody,
            answers={200: Answer("The limits that apply now.", schemas.LimitsDocument)},
            problems=(NOT_FOUND, MALFORMED, UNPROCESSABLE, UNSUPPORTED_MEDIA),
        )
    )
    def put_limits(tenant: str, body: TenantLimitsBody) -> schemas.LimitsDocument:
        limits.set(_known(tenant), Limits(**msgspec.structs.asdict(body)))
        return _document(limits, tenant)

    return routes


def _known(tenant: str) -> str:
    """Return the tenant's name; raises `not-found` for a text that cannot be a name.

    Only auth knows which tenants exist, and limits may be set before the tenant exists.
    """
    try:
        return keys.tenant_name(tenant)
    except keys.InvalidName:
        raise NOT_FOUND("No tenant can have this name.") from None


def _document(limits: LimitsAdministration, tenant: str) -> schemas.LimitsDocument:
    stored, effective = limits.read(tenant)
    return schemas.LimitsDocument(tenant=tenant, limits=stored, effective=effective)
