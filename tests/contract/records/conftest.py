"""Fixtures of each database that may contain the records. One tenant
has twin tenants (`tests.servers.twins`).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.tracing import strace
from tests.servers.twins import UPLOAD_TWINS
from tests.servers.upload import upload_template
from tests.servers.upload_databases import DIALECTS, copied, database, migrated, records

__all__ = [
    "all_tenants",
    "database",
    "records",
    "strace",
    "upload_template",
]


@pytest.fixture
def all_tenants() -> None:
    """Mark a test that reads rows of all tenants or counts steps. The test's database has no twin
    tenants.
    """


@pytest.fixture(scope="session")
def template_with_twins(upload_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a migrated SQLite file in which a tenant has twin tenants. All
    tests copy this file.
    """
    path = tmp_path_factory.mktemp("twins") / "upload.db"
    shutil.copy(upload_template, path)
    UPLOAD_TWINS.add(f"sqlite:///{path}")
    return path


def _migrated_with_twins(url: str) -> None:
    migrated(url)
    UPLOAD_TWINS.add(url)


@pytest.fixture(params=DIALECTS)
def database_url(
    request: pytest.FixtureRequest,
    upload_template: Path,
    template_with_twins: Path,
    tmp_path: Path,
) -> Iterator[str]:
    """Yield the URL of a migrated database that no other test uses. One tenant has twin tenants,
    unless the test uses `all_tenants`.
    """
    if "all_tenants" in request.fixturenames:
        yield from copied(request, tmp_path, upload_template, migrated)
    else:
        yield from copied(request, tmp_path, template_with_twins, _migrated_with_twins)
