"""Counts the rows of a tenant in the transaction that adds one. Each count ends at the limit."""

from __future__ import annotations

import msgspec

from servicekit.database import Connection, Database
from servicekit.grants import Compact, Holder, filled
from wharf_auth.domain.limits import Limited, LimitReached, TenantLimits

_CLIENTS = "SELECT 1 FROM clients WHERE tenant = ? AND disabled_at IS NULL"
_USERS = "SELECT 1 FROM users WHERE tenant = ?"
_ENTRIES = "SELECT 1 FROM revocations WHERE tenant = ?"
# Partial indices have these rows alone, with what is summed up.
_GRANT_BYTES = " + ".join(
    f"(SELECT COALESCE(SUM(grant_bytes), 0) FROM {table} WHERE tenant = ? AND grant_bytes > 0)"  # noqa: S608 -- names of tables
    for table in ("users", "clients", "member_groups")
)
# Of a client that is disabled for good, or of a secret that is retired.
_REMOVED_AT_ONCE = 100
_RETIRED_SECRETS_KEPT = 20
# The ids of clients that were made here; `wharf-auth init` has others, and would make them anew.
_ID_CHARACTERS = 32


class HasLimits:
    """The part of the records that knows the limits of tenants."""

    _database: Database
    _limits = TenantLimits()


def require_client(connection: Connection, tenant: str, limits: TenantLimits) -> None:
    """Raise `LimitReached` where there is no room for another client; the tenant's row is held."""
    _require_fewer(connection, _CLIENTS, tenant, "clients", limits.clients)


def require_user(connection: Connection, tenant: str, limits: TenantLimits) -> None:
    """Raise `LimitReached` where there is no room for another user; the tenant's row is held."""
    _require_fewer(connection, _USERS, tenant, "users", limits.users)


def require_entries(database: Database, tenant: str, limits: TenantLimits) -> None:
    """Raise `LimitReached` where the feed of revocations is full of the tenant's entries.

    To be called where something is made whose end will be an entry. What ends something is never
    refused for want of room. It is counted before the transaction, which would hold up all other
    writers for up to 12 ms: what comes at once may make a few entries more.
    """
    _require_fewer(database.reading(), _ENTRIES, tenant, "revocations", limits.revocations)


def _require_fewer(
    connection: Connection, query: str, tenant: str, limited: Limited, most: int
) -> None:
    counted = f"SELECT COUNT(*) FROM ({query} LIMIT ?) counted"  # noqa: S608 -- the queries above
    ((found,),) = connection.rows(counted, (tenant, most))
    if found >= most:
        raise LimitReached(limited, most)


def bytes_of(grants: Compact | None, holder: Holder | None = None) -> int:
    """Return what a list of grants counts: as the feed tells it, and not less than it is kept."""
    if grants is None:
        return 0
    kept = len(msgspec.json.encode(grants))
    return kept if holder is None else max(kept, len(msgspec.json.encode(filled(grants, holder))))


def hold(connection: Connection, tenant: str) -> None:
    """Hold the tenant's row until the commit, before rows of its users, clients and groups."""
    connection.execute("UPDATE tenants SET name = name WHERE name = ?", (tenant,))


def require_grants(connection: Connection, tenant: str, more: int, limits: TenantLimits) -> None:
    """Raise `LimitReached` where lists of grants have no room for `more` bytes.

    The tenant's row is held. A list that becomes shorter is never refused.
    """
    if more <= 0:
        return
    ((found,),) = connection.rows(f"SELECT {_GRANT_BYTES}", (tenant, tenant, tenant))
    if int(found) + more > limits.grant_bytes:
        raise LimitReached("grant bytes", limits.grant_bytes)


def forget_disabled(connection: Connection, tenant: str, limits: TenantLimits) -> None:
    """Remove the clients that were disabled first, where there are too many disabled ones."""
    rows = connection.rows(
        "SELECT id FROM clients WHERE tenant = ? AND disabled_at IS NOT NULL AND LENGTH(id) = ? "
        "ORDER BY disabled_at DESC, id DESC LIMIT ? OFFSET ?",
        (tenant, _ID_CHARACTERS, _REMOVED_AT_ONCE, limits.clients),
    )
    connection.execute_many("DELETE FROM client_secrets WHERE client = ?", rows)
    connection.execute_many("DELETE FROM clients WHERE id = ?", rows)


def forget_retired(connection: Connection, client: str) -> None:
    """Remove the secrets of a client that were retired first; some stay, for the audit."""
    connection.execute(
        "DELETE FROM client_secrets WHERE id IN (SELECT id FROM client_secrets "
        "WHERE client = ? AND retired_at IS NOT NULL ORDER BY retired_at DESC, id DESC "
        "LIMIT ? OFFSET ?)",
        (client, _REMOVED_AT_ONCE, _RETIRED_SECRETS_KEPT),
    )
