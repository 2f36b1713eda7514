"""The records of tenants in SQL."""

from __future__ import annotations

from servicekit.database import Connection, Database, Row, UniqueViolation
from servicekit.revocations import State
from wharf_auth.database import audit, feed, sessions
from wharf_auth.database.contract import NameTaken, NoSuchTenant, Tenant, TenantDeleted
from wharf_auth.domain.acts import Act

_TENANT = (
    "SELECT name, display_name, created_at, suspended_at, deleted_at, purge_at, purged_at "
    "FROM tenants"
)


def _tenant(row: Row) -> Tenant:
    return Tenant(*row)


def require_live_tenant(connection: Connection, name: str) -> Tenant:
    """Lock a tenant's row until the commit, and return the tenant.

    Raise `NoSuchTenant` or `TenantDeleted`.
    """
    tenant = locked(connection, name)
    if tenant.deleted_at is not None:
        raise TenantDeleted(name)
    return tenant


def locked(connection: Connection, name: str) -> Tenant:
    """Lock a tenant's row until the commit, and return the tenant; raise `NoSuchTenant`."""
    # On PostgreSQL this update locks the row; SQLite allows only one writer anyway.
    if not connection.execute("UPDATE tenants SET name = name WHERE name = ?", (name,)):
        raise NoSuchTenant(name)
    (row,) = connection.rows(f"{_TENANT} WHERE name = ?", (name,))
    return _tenant(row)


def _publish(connection: Connection, name: str, state: State, at: int) -> None:
    feed.append(connection, "tenant", state, tenant=name, at=at)


class SqlTenants:
    """The SQL implementation of `TenantRecords`."""

    _database: Database

    def add_tenant(self, tenant: Tenant, act: Act) -> None:
        """Insert a tenant."""
        try:
            with self._database.transaction() as connection:
                connection.execute(
                    "INSERT INTO tenants (name, display_name, created_at, suspended_at) "
                    "VALUES (?, ?, ?, ?)",
                    (tenant.name, tenant.display_name, tenant.created_at, tenant.suspended_at),
                )
                audit.append(connection, act)
        except UniqueViolation:
            raise NameTaken(tenant.name) from None

    def tenant(self, name: str) -> Tenant | None:
        """Read one tenant."""
        row = self._database.reading().row(f"{_TENANT} WHERE name = ?", (name,))
        return _tenant(row) if row else None

    def tenants(self, *, after: str, limit: int) -> list[Tenant]:
        """Read a page of tenants."""
        rows = self._database.reading().rows(
            f"{_TENANT} WHERE name > ? ORDER BY name LIMIT ?", (after, limit)
        )
        return [_tenant(row) for row in rows]

    def rename_tenant(self, name: str, display_name: str, act: Act) -> None:
        """Update the display name."""
        with self._database.transaction() as connection:
            require_live_tenant(connection, name)
            connection.execute(
                "UPDATE tenants SET display_name = ? WHERE name = ?", (display_name, name)
            )
            audit.append(connection, act)

    def suspend(self, name: str, act: Act) -> None:
        """Suspend the tenant; `suspended_at` stays the time of the first suspension."""
        with self._database.transaction() as connection:
            tenant = require_live_tenant(connection, name)
            if tenant.suspended_at is None:
                connection.execute(
                    "UPDATE tenants SET suspended_at = ? WHERE name = ?", (act.at, name)
                )
                _publish(connection, name, "suspended", act.at)
            audit.append(connection, act)

    def delete_tenant(self, name: str, purge_at: int, act: Act) -> None:
        """Mark the tenant as deleted; a second call does not move the end of the grace period."""
        with self._database.transaction() as connection:
            tenant = locked(connection, name)
            if tenant.deleted_at is None:
                connection.execute(
                    "UPDATE tenants SET deleted_at = ?, purge_at = ? WHERE name = ?",
                    (act.at, purge_at, name),
                )
                _publish(connection, name, "deleted", act.at)
            audit.append(connection, act)

    def resume(self, name: str, act: Act) -> None:
        """Clear suspension and deletion."""
        with self._database.transaction() as connection:
            tenant = locked(connection, name)
            if tenant.purge_at is not None and tenant.purge_at <= act.at:
                raise TenantDeleted(name)
            if tenant.state != "active":
                connection.execute(
                    "UPDATE tenants SET suspended_at = NULL, deleted_at = NULL, purge_at = NULL "
                    "WHERE name = ?",
                    (name,),
                )
                _publish(connection, name, "active", act.at)
            audit.append(connection, act)

    def due_for_purge(self, now: int) -> list[str]:
        """Read the names of the tenants to purge."""
        rows = self._database.reading().rows(
            "SELECT name FROM tenants WHERE purge_at <= ? AND purged_at IS NULL ORDER BY name",
            (now,),
        )
        return [name for (name,) in rows]

    def purge_tenant(self, name: str, act: Act) -> bool:
        """Delete the tenant's data if its purge is due; return whether it was due.

        The tenant's row and its lines in the audit log stay.

        The entry `purged` replaces the tenant's older entries in the feed, which are deleted.
        """
        with self._database.transaction() as connection:
            tenant = locked(connection, name)
            due = tenant.purge_at is not None and tenant.purge_at <= act.at
            if not due or tenant.purged_at is not None:
                return False
            _purge_groups(connection, name)
            connection.execute(
                "DELETE FROM client_secrets WHERE client IN "
                "(SELECT id FROM clients WHERE tenant = ?)",
                (name,),
            )
            connection.execute("DELETE FROM clients WHERE tenant = ?", (name,))
            sessions.purge(connection, name)
            connection.execute(
                "UPDATE tenants SET purged_at = ?, display_name = '' WHERE name = ?",
                (act.at, name),
            )
            connection.execute("DELETE FROM revocations WHERE tenant = ?", (name,))
            _publish(connection, name, "purged", act.at)
            audit.append(connection, act)
        return True


def _purge_groups(connection: Connection, tenant: str) -> None:
    """Delete a tenant's groups; call this before its users and clients are deleted.

    So all transactions lock in one order: a transaction that adds members locks the group first,
    then the members.
    """
    # The statement locks the groups, so that no other transaction adds a member before they are
    # deleted.
    connection.execute("UPDATE member_groups SET name = name WHERE tenant = ?", (tenant,))
    connection.execute(
        "DELETE FROM group_members WHERE member_group IN "
        "(SELECT id FROM member_groups WHERE tenant = ?)",
        (tenant,),
    )
    connection.execute("DELETE FROM member_groups WHERE tenant = ?", (tenant,))
