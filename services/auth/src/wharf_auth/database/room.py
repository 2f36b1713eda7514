"""The limits of a tenant: functions that check a limit before a transaction adds a row.

A count of rows stops at the limit, so that its cost does not grow. Two functions remove old rows.
"""

from __future__ import annotations

import msgspec

from servicekit.database import Connection, Database
from servicekit.grants import Compact, Holder, filled
from wharf_auth.domain.limits import Limited, LimitReached, TenantLimits

_CLIENTS = "SELECT 1 FROM clients WHERE tenant = ? AND disabled_at IS NULL"
_USERS = "SELECT 1 FROM users WHERE tenant = ?"
_ENTRIES = "SELECT 1 FROM revocations WHERE tenant = ?"
# The partial indices contain only these rows, and the column to sum up.
_GRANT_BYTES = " + ".join(
    f"(SELECT COALESCE(SUM(grant_bytes), 0) FROM {table} WHERE tenant = ? AND grant_bytes > 0)"  # noqa: S608 -- names of tables
    for table in ("users", "clients", "member_groups")
)
# How many disabled clients or retired secrets one call removes.
_REMOVED_AT_ONCE = 100
_RETIRED_SECRETS_KEPT = 20
# The length of the ids that auth makes. The clients of `wharf-auth init` have other ids. Such a
# client keeps its row when it is disabled: otherwise `init` would make an active one again.
_ID_CHARACTERS = 32


class HasLimits:
    """A base class of records that need the limits of tenants."""

    _database: Database
    _limits = TenantLimits()


def require_client(connection: Connection, tenant: str, limits: TenantLimits) -> None:
    """Raise `LimitReached` if no active client may be added; the caller locks the tenant's row."""
    _require_fewer(connection, _CLIENTS, tenant, "clients", limits.clients)


def require_user(connection: Connection, tenant: str, limits: TenantLimits) -> None:
    """Raise `LimitReached` if no user may be added; the caller locks the tenant's row."""
    _require_fewer(connection, _USERS, tenant, "users", limits.users)


def require_entries(database: Database, tenant: str, limits: TenantLimits) -> None:
    """Raise `LimitReached` if the feed of revocations has too many entries of the tenant.

    Call this before a token is revoked. Call this also before a session, an account or a group is
    added, since its end adds an entry to the feed. A call that ends a session or an account is
    never refused. The count takes up to 12 ms, so call this before the transaction, which blocks
    all other writers. Concurrent calls may exceed the limit by a few entries.
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
    """Return the size of a list of grants for the limit, in bytes of JSON.

    With `holder` it is the size with placeholders filled in, as in the feed, but at least the
    stored size. Without `holder` it is the stored size.
    """
    if grants is None:
        return 0
    kept = len(msgspec.json.encode(grants))
    return kept if holder is None else max(kept, len(msgspec.json.encode(filled(grants, holder))))


def hold(connection: Connection, tenant: str) -> None:
    """Lock the tenant's row until the commit.

    Call this before the rows of the tenant's users, clients or groups are locked.
    """
    connection.execute("UPDATE tenants SET name = name WHERE name = ?", (tenant,))


def require_grants(connection: Connection, tenant: str, more: int, limits: TenantLimits) -> None:
    """Raise `LimitReached` if `more` bytes would exceed the limit for lists of grants.

    The caller locks the tenant's row. A list that becomes shorter is never refused.
    """
    if more <= 0:
        return
    ((found,),) = connection.rows(f"SELECT {_GRANT_BYTES}", (tenant, tenant, tenant))
    if int(found) + more > limits.grant_bytes:
        raise LimitReached("grant bytes", limits.grant_bytes)


def forget_disabled(connection: Connection, tenant: str, limits: TenantLimits) -> None:
    """Remove the clients that were disabled first if the tenant has too many disabled clients."""
    rows = connection.rows(
        "SELECT id FROM clients WHERE tenant = ? AND disabled_at IS NOT NULL AND LENGTH(id) = ? "
        "ORDER BY disabled_at DESC, id DESC LIMIT ? OFFSET ?",
        (tenant, _ID_CHARACTERS, _REMOVED_AT_ONCE, limits.clients),
    )
    connection.execute_many("DELETE FROM client_secrets WHERE client = ?", rows)
    connection.execute_many("DELETE FROM clients WHERE id = ?", rows)


def forget_retired(connection: Connection, client: str) -> None:
    """Remove the secrets that were retired first; `_RETIRED_SECRETS_KEPT` stay for audits."""
    connection.execute(
        "DELETE FROM client_secrets WHERE id IN (SELECT id FROM client_secrets "
        "WHERE client = ? AND retired_at IS NOT NULL ORDER BY retired_at DESC, id DESC "
        "LIMIT ? OFFSET ?)",
        (client, _REMOVED_AT_ONCE, _RETIRED_SECRETS_KEPT),
    )
