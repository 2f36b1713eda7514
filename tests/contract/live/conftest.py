"""Every database that events may lie in."""

from tests.servers.upload import upload_template
from tests.servers.upload_databases import database, database_url, postgres_template, records

__all__ = ["database", "database_url", "postgres_template", "records", "upload_template"]
