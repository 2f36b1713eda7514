"""The OpenAPI documents of both services."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from servicekit.testing import Issuer
from tests.servers.auth import ISSUER, auth, auth_settings, auth_template, opened
from tests.servers.upload import (
    assemble,
    copy_database,
    issuer,
    settings_for,
    upload,
    upload_data,
    upload_template,
)
from tests.unit.openapi.documents import Described
from wharf_auth.settings import Settings

__all__ = [
    "auth",
    "auth_settings",
    "auth_template",
    "issuer",
    "upload",
    "upload_data",
    "upload_template",
]


@pytest.fixture(scope="session")
def documents(
    auth_template: Path,
    upload_template: Path,
    issuer: Issuer,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, dict[str, Any]]:
    """Return both documents, by service, as a client gets them. They are built once, for speed."""
    data = tmp_path_factory.mktemp("documents")
    shutil.copytree(auth_template, data / "auth")
    with opened(Settings(data=data / "auth", issuer=ISSUER)) as service:
        of_auth = service.app.test_client().get("/auth/openapi.json").get_json()
    copy_database(upload_template, data / "upload")
    files = assemble(settings_for(data / "upload"), issuer)
    of_upload = files.request("GET", "/openapi.json").get_json()
    files.database.close()
    return {"auth": of_auth, "upload": of_upload}


@pytest.fixture
def operations(documents: dict[str, dict[str, Any]]) -> list[Described]:
    """Return the operations of both documents."""
    return [
        Described(method.upper(), path, declared, document)
        for document in documents.values()
        for path, methods in document["paths"].items()
        for method, declared in methods.items()
    ]
