"""The rows of the secret keys that sign tenants' links."""

from __future__ import annotations

import secrets

from servicekit.database import Connection
from wharf_upload.database.aggregate import Aggregate
from wharf_upload.domain.clock import now_milliseconds

_KEY_BYTES = 32


class SqlLinkKeys(Aggregate):
    """Implements `link_contract.LinkKeyRecords`."""

    def link_key(self, tenant: str, *, create: bool = False) -> bytes | None:
        """Return the tenant's secret key or `None`; with `create`, make a key if there is none."""
        found = _find(self._database.reading(), tenant)
        if found is not None or not create:
            return found
        with self._database.transaction() as connection:
            _insert(connection, tenant, "DO NOTHING")
            # Read the stored key: another process may have inserted one first.
            return _find(connection, tenant)

    def rotate_link_key(self, tenant: str) -> None:
        """Replace the tenant's secret key, which invalidates all links signed with the old one."""
        with self._database.transaction() as connection:
            _insert(
                connection,
                tenant,
                "DO UPDATE SET secret = excluded.secret, created_at = excluded.created_at",
            )


def _find(connection: Connection, tenant: str) -> bytes | None:
    row = connection.row("SELECT secret FROM link_keys WHERE tenant = ?", (tenant,))
    return bytes.fromhex(row[0]) if row else None


def _insert(connection: Connection, tenant: str, on_conflict: str) -> None:
    connection.execute(
        "INSERT INTO link_keys (tenant, secret, created_at) VALUES (?, ?, ?) "  # noqa: S608 -- constants only
        f"ON CONFLICT (tenant) {on_conflict}",
        (tenant, secrets.token_hex(_KEY_BYTES), now_milliseconds()),
    )
