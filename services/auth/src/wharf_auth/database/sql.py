"""The auth records in SQLite or PostgreSQL, put together from one file per subject."""

from __future__ import annotations

from servicekit.database import Database, revisions
from wharf_auth.database.audit import SqlAudit
from wharf_auth.database.clients import SqlClients
from wharf_auth.database.feed import SqlFeed
from wharf_auth.database.groups import SqlGroups
from wharf_auth.database.login_networks import SqlLoginNetworks
from wharf_auth.database.reaches import LINK_MAX_SECONDS
from wharf_auth.database.sessions import SqlSessions
from wharf_auth.database.tenants import SqlTenants
from wharf_auth.database.users import SqlUsers
from wharf_auth.domain.limits import TenantLimits

# What the last of the migrations is called, and where the database remembers it.
SCHEMA, VERSION_TABLE = "0006", "wharf_auth_revision"


class SqlRecords(
    SqlTenants,
    SqlClients,
    SqlUsers,
    SqlGroups,
    SqlSessions,
    SqlLoginNetworks,
    SqlFeed,
    SqlAudit,
):
    """Implements `Records`; see there for what the calls promise.

    A change ends with `feed.append` and `audit.append` in its own transaction, in this order and
    as its last statements: both hold the row of the latest numbers until the commit.
    """

    def __init__(
        self,
        database: Database,
        link_max_seconds: int = LINK_MAX_SECONDS,
        limits: TenantLimits | None = None,
    ) -> None:
        """`link_max_seconds`: so long the feed keeps what a maker of links may not do any more."""
        self._database = database
        self._link_max_seconds = link_max_seconds
        self._limits = limits or TenantLimits()

    def check(self) -> str | None:
        """What is wrong with the database, or `None`."""
        reading = self._database.reading()
        return revisions.error(reading, VERSION_TABLE, SCHEMA, "wharf-auth migrate")
