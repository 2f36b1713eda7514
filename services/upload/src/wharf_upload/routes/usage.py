"""`GET /v1/usage`: the usage and the limits of the tenant."""

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
    """The queries to the database; see `database.contract`."""

    def usage(self, tenant: str) -> Usage:
        """Return the bytes and files that the tenant stores or reserves for resumable uploads."""


def blueprint(stored: StoredUsage, tenant_limits: TenantLimits) -> ProtectedBlueprint:
    """Return the route."""
    routes = ProtectedBlueprint("usage", __name__, protection=scope("files:read"))

    @routes.get("/v1/usage")
    @operation(
        Operation(
            id="getUsage",
            tag="usage",
            summary="Read the bytes and files in use, and the limits",
            answers={200: Answer("The usage and the limits of the tenant.", schemas.UsageDocument)},
            problems=(OUTSIDE_GRANTS,),
        )
    )
    def get_usage() -> schemas.UsageDocument:
        # A caller that reaches only some files must not learn the total of all files.
        reach.require_everything(g.principal)
        tenant = g.principal.tenant
        used = stored.usage(tenant)
        return schemas.UsageDocument(used.bytes, used.files, tenant_limits.of(tenant))

    return routes
