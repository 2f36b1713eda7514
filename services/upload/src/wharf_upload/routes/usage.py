"""`GET /v1/usage`: what the tenant has stored, and may."""

from __future__ import annotations

from typing import Protocol

from flask import g

from servicekit.operations import Answer, Operation, operation
from servicekit.protected_routes import ProtectedBlueprint
from servicekit.protection import scope
from wharf_upload.access import reach
from wharf_upload.domain.quotas import Usage
from wharf_upload.http import schemas
from wharf_upload.problems import OUTSIDE_GRANTS
from wharf_upload.tenancy.limits import TenantLimits


class StoredUsage(Protocol):
    """What is asked of the database; see `database.contract`."""

    def usage(self, tenant: str) -> Usage:
        """Return what the tenant has stored."""


def blueprint(stored: StoredUsage, tenant_limits: TenantLimits) -> ProtectedBlueprint:
    """The route."""
    routes = ProtectedBlueprint("usage", __name__, protection=scope("files:read"))

    @routes.get("/v1/usage")
    @operation(
        Operation(
            id="getUsage",
            tag="usage",
            summary="Read the bytes and files in use, and the limits",
            answers={200: Answer("What counts against the tenant.", schemas.UsageDocument)},
            problems=(OUTSIDE_GRANTS,),
        )
    )
    def get_usage() -> schemas.UsageDocument:
        # What all files of the tenant come to is no matter of those who reach some of them.
        reach.require_everything(g.principal)
        tenant = g.principal.tenant
        used = stored.usage(tenant)
        return schemas.UsageDocument(used.bytes, used.files, tenant_limits.of(tenant))

    return routes
