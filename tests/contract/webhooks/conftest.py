"""Fixtures of each database that may contain the rows of webhooks."""

from __future__ import annotations

from tests.servers.upload import upload_template
from tests.servers.upload_databases import database, database_url, records

__all__ = ["database", "database_url", "records", "upload_template"]
