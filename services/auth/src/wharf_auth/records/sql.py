"""The auth records in SQLite or PostgreSQL, put together from one file per subject."""

from __future__ import annotations

from wharf_auth.records.audit import SqlAudit
from wharf_auth.records.clients import SqlClients
from wharf_auth.records.feed import SqlFeed
from wharf_auth.records.sessions import SqlSessions
from wharf_auth.records.tenants import SqlTenants
from wharf_auth.records.users import SqlUsers


class SqlRecords(SqlTenants, SqlClients, SqlUsers, SqlSessions, SqlFeed, SqlAudit):
    """Implements `Records`; see there for what the calls promise.

    A change ends with `feed.append` and `audit.append` in its own transaction, in this order and
    as its last statements: both hold the row of the latest numbers until the commit.
    """

    def check(self) -> None:
        """Reads from the tables."""
        reading = self._database.reading()
        reading.row("SELECT 1 FROM client_secrets LIMIT 1")
        reading.row("SELECT feed FROM latest")
        reading.row("SELECT 1 FROM refresh_tokens LIMIT 1")
