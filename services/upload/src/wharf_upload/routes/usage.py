"""`GET /v1/usage`: what the tenant has stored."""

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
            summary="Bytes and files in use",
            scope="files:read",
            answers={200: Answer("What counts against the tenant.", documents.UsageDocument)},
        )
    )
    def get_usage() -> documents.UsageDocument:
        used = service.records.usage(g.principal.tenant)
        return documents.UsageDocument(bytes=used.bytes, files=used.files)

    return routes
