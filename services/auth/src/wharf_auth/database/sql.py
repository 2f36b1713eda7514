"""The auth records in SQLite or PostgreSQL: one class made from the classes of this package."""

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

# The revision of the last migration, and the table in which the database stores its revision.
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
    """The SQL implementation of `Records`; the docstrings of `Records` define the calls.

    The last statements of a change are `feed.append` and `audit.append`, in this order and in the
    transaction of the change. Both lock the row of the latest numbers until the commit.
    """

    def __init__(
        self,
        database: Database,
        link_max_seconds: int = LINK_MAX_SECONDS,
        limits: TenantLimits | None = None,
    ) -> None:
        """Create the records.

        `link_max_seconds` is the longest life of a signed link. For this time the feed keeps the
        changed reach of the person or client that made the link.
        """
        self._database = database
        self._link_max_seconds = link_max_seconds
        self._limits = limits or TenantLimits()

    def check(self) -> str | None:
        """Return the fault of the schema, or `None`."""
        reading = self._database.reading()
        return revisions.error(reading, VERSION_TABLE, SCHEMA, "wharf-auth migrate")
