"""Every database that the records may lie in."""

from tests.servers.tracing import strace
from tests.servers.upload import upload_template
from tests.servers.upload_databases import database, database_url, postgres_template, records

__all__ = [
    "database",
    "database_url",
    "postgres_template",
    "records",
    "strace",
    "upload_template",
]
