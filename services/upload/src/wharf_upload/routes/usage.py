"""`GET /v1/usage`: what the tenant has stored, and may."""

from __future__ import annotations

from flask import Blueprint, g

from servicekit.operations import Answer, Operation, operation
from wharf_upload import documents
from wharf_upload.service import Service


def blueprint(service: Service) -> Blueprint:
    """The route."""
    routes = Blueprint("usage", __name__)

    @routes.get("/v1/usage")
    @operation(
        Operation(
            id="getUsage",
            tag="usage",
            summary="Read the bytes and files in use, and the limits",
            scope="files:read",
            answers={200: Answer("What counts against the tenant.", documents.UsageDocument)},
        )
    )
    def get_usage() -> documents.UsageDocument:
        tenant = g.principal.tenant
        used = service.records.usage(tenant)
        return documents.UsageDocument(used.bytes, used.files, service.tenant_limits.of(tenant))

    return routes
