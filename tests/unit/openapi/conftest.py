"""The OpenAPI documents of both services."""

from __future__ import annotations

from typing import Any

import pytest

from tests.servers.auth import AuthService, auth, auth_settings, auth_template
from tests.servers.upload import UploadService, issuer, upload, upload_data, upload_template
from tests.unit.openapi.documents import Described

__all__ = [
    "auth",
    "auth_settings",
    "auth_template",
    "issuer",
    "upload",
    "upload_data",
    "upload_template",
]


@pytest.fixture
def documents(auth: AuthService, upload: UploadService) -> dict[str, dict[str, Any]]:
    """Both documents by service, as anybody reads them."""
    found = {
        "auth": auth.app.test_client().get("/auth/openapi.json"),
        "upload": upload.request("GET", "/openapi.json"),
    }
    return {service: reply.get_json() for service, reply in found.items()}


@pytest.fixture
def operations(documents: dict[str, dict[str, Any]]) -> list[Described]:
    """The operations of both documents."""
    return [
        Described(method.upper(), path, declared, document)
        for document in documents.values()
        for path, methods in document["paths"].items()
        for method, declared in methods.items()
    ]
