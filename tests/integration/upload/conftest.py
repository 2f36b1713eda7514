"""Fixtures of services that tests break, and of tools that break them."""

from __future__ import annotations

from pathlib import Path

import pytest

from servicekit.testing import Issuer
from tests.servers.blob_process import blob_server, socket_server
from tests.servers.postgres import new_postgres_url, postgres
from tests.servers.tracing import strace
from tests.servers.upload import issuer, upload, upload_data, upload_template
from tests.servers.upload_script import write_credentials

__all__ = [
    "blob_server",
    "issuer",
    "new_postgres_url",
    "postgres",
    "socket_server",
    "strace",
    "upload",
    "upload_data",
    "upload_template",
]


@pytest.fixture(scope="session")
def credentials(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with a token and its key, for `tests.servers.upload_script`."""
    path = tmp_path_factory.mktemp("credentials") / "credentials.json"
    write_credentials(issuer, path)
    return path
