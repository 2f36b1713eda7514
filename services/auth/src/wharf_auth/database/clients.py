"""The records of clients and their secrets in SQL."""

from __future__ import annotations

import msgspec

from servicekit.database import Connection, Row, UniqueViolation
from servicekit.grants import Holder
from servicekit.reaches import ReachChange
from wharf_auth.database import audit, feed, reaches, room
from wharf_auth.database.contract import (
    MAX_LIVE_SECRETS,
    Client,
    Login,
    NameTaken,
    NoSuchClient,
    NoSuchTenant,
    Secret,
    TooManySecrets,
)
from wharf_auth.database.groups_contract import ClientChange
from wharf_auth.database.reaches import PublishesReaches
from wharf_auth.database.tenants import require_live_tenant
from wharf_auth.domain.acts import Act

_CLIENT = (
    "SELECT id, tenant, name, scopes, created_at, disabled_at, grants, reach_version FROM clients"
)


def _client(row: Row) -> Client:
    identifier, tenant, name, scopes, created_at, disabled_at, grants, version = row
    return Client(
        identifier,
        tenant,
        name,
        tuple(scopes.split()),
        created_at,
        disabled_at,
        reaches.read(grants),
        version,
    )


class SqlClients(PublishesReaches):
    """The SQL implementation of `ClientRecords`."""

    def add_client(self, client: Client, secret: Secret, act: Act) -> None:
        """Insert the client and its secret."""
        room.require_entries(self._database, client.tenant, self._limits)
        try:
            with self._database.transaction() as connection:
                require_live_tenant(connection, client.tenant)
                room.require_client(connection, client.tenant, self._limits)
                grant_bytes = room.bytes_of(client.grants, Holder(client=client.id))
                room.require_grants(connection, client.tenant, grant_bytes, self._limits)
                connection.execute(
                    "INSERT INTO clients (id, tenant, name, scopes, created_at, disabled_at, "
                    "grants, reach_version, grant_bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        client.id,
                        client.tenant,
                        client.name,
                        " ".join(client.scopes),
                        client.created_at,
                        client.disabled_at,
                        reaches.stored(client.grants),
                        client.reach_version,
                        grant_bytes,
                    ),
                )
                _insert_secret(connection, client.id, secret)
                self._publish_new(connection, client.tenant, client.id, _reach_of(client), act.at)
                audit.append(connection, act)
        except UniqueViolation:
            raise NameTaken(client.id) from None

    def clients(self, tenant: str, *, after: str, limit: int) -> list[Client]:
        """Read a page of clients."""
        connection = self._database.reading()
        if connection.row("SELECT 1 FROM tenants WHERE name = ?", (tenant,)) is None:
            raise NoSuchTenant(tenant)
        rows = connection.rows(
            f"{_CLIENT} WHERE tenant = ? AND id > ? ORDER BY id LIMIT ?", (tenant, after, limit)
        )
        return [_client(row) for row in rows]

    def client(self, tenant: str, client: str) -> Client | None:
        """Read one client."""
        row = self._database.reading().row(
            f"{_CLIENT} WHERE tenant = ? AND id = ?", (tenant, client)
        )
        return _client(row) if row else None

    def change_client(self, tenant: str, client: str, change: ClientChange, act: Act) -> None:
        """Update a client under a lock on its row.

        New scopes or grants add an entry to the feed; a new name does not.
        """
        with self._database.transaction() as connection:
            room.hold(connection, tenant)
            self._lock_client(connection, tenant, client)
            (row,) = connection.rows(f"{_CLIENT} WHERE id = ?", (client,))
            old = _client(row)
            name = old.name if change.name is msgspec.UNSET else change.name
            scopes = old.scopes if change.scopes is msgspec.UNSET else change.scopes
            grants = old.grants if change.grants is msgspec.UNSET else change.grants
            reaches.require_unlimited(scopes, grants)
            holder = Holder(client=client)
            grant_bytes = room.bytes_of(grants, holder)
            more = grant_bytes - room.bytes_of(old.grants, holder)
            room.require_grants(connection, tenant, more, self._limits)
            connection.execute(
                "UPDATE clients SET name = ?, scopes = ?, grants = ?, grant_bytes = ? WHERE id = ?",
                (name, " ".join(scopes), reaches.stored(grants), grant_bytes, client),
            )
            if (scopes, grants) != (old.scopes, old.grants):
                told = reaches.renewed(connection, tenant, "client", client, act.at)
                self._publish(connection, tenant, {client: told}, act.at)
            audit.append(connection, act)

    def disable(self, tenant: str, client: str, until: int, act: Act) -> None:
        """Disable the client; `disabled_at` stays the time of the first call."""
        with self._database.transaction() as connection:
            self._lock_client(connection, tenant, client)
            if connection.execute(
                "UPDATE clients SET disabled_at = ? WHERE id = ? AND disabled_at IS NULL",
                (act.at, client),
            ):
                connection.execute(
                    "DELETE FROM group_members WHERE subject = ? AND tenant = ?", (client, tenant)
                )
                change = reaches.renewed(connection, tenant, "client", client, act.at)
                room.forget_disabled(connection, tenant, self._limits)
                feed.append(
                    connection,
                    "subject",
                    "revoked",
                    tenant=tenant,
                    thing=client,
                    until=until,
                    at=act.at,
                )
                self._publish(connection, tenant, {client: change}, act.at)
            audit.append(connection, act)

    def login(self, client: str) -> Login | None:
        """Read client, secrets and tenant in one statement, so that they are consistent."""
        rows = self._database.reading().rows(
            "SELECT c.id, c.tenant, c.name, c.scopes, c.created_at, c.disabled_at, c.grants, "
            "c.reach_version, COALESCE(t.deleted_at, t.suspended_at), "
            "s.id, s.hint, s.hash, s.created_at "
            "FROM clients c JOIN tenants t ON t.name = c.tenant "
            "LEFT JOIN client_secrets s ON s.client = c.id AND s.retired_at IS NULL "
            "WHERE c.id = ? ORDER BY s.id",
            (client,),
        )
        if not rows:
            return None
        secrets = tuple(Secret(*row[9:]) for row in rows if row[9] is not None)
        return Login(_client(rows[0][:8]), secrets, rows[0][8] is not None)

    def add_secret(self, tenant: str, client: str, secret: Secret, act: Act) -> None:
        """Insert a secret under a lock on the client's row.

        Without the lock, two concurrent calls could exceed `MAX_LIVE_SECRETS`.
        """
        with self._database.transaction() as connection:
            self._lock_client(connection, tenant, client)
            ((live,),) = connection.rows(
                "SELECT COUNT(*) FROM client_secrets WHERE client = ? AND retired_at IS NULL",
                (client,),
            )
            if live >= MAX_LIVE_SECRETS:
                raise TooManySecrets(client)
            _insert_secret(connection, client, secret)
            audit.append(connection, act)

    def retire_secret(self, tenant: str, client: str, secret: str, act: Act) -> bool:
        """Mark the secret as retired; the latest retired secrets keep their rows, for audits."""
        with self._database.transaction() as connection:
            self._lock_client(connection, tenant, client)
            changed = connection.execute(
                "UPDATE client_secrets SET retired_at = ? "
                "WHERE id = ? AND client = ? AND retired_at IS NULL",
                (act.at, secret, client),
            )
            if changed:
                room.forget_retired(connection, client)
                audit.append(connection, act)
        return bool(changed)

    @staticmethod
    def _lock_client(connection: Connection, tenant: str, client: str) -> None:
        # On PostgreSQL this update locks the row; SQLite allows only one writer anyway.
        if not connection.execute(
            "UPDATE clients SET name = name WHERE id = ? AND tenant = ?", (client, tenant)
        ):
            raise NoSuchClient(client)


def _insert_secret(connection: Connection, client: str, secret: Secret) -> None:
    connection.execute(
        "INSERT INTO client_secrets (id, client, hint, hash, created_at) VALUES (?, ?, ?, ?, ?)",
        (secret.id, client, secret.hint, secret.hash, secret.created_at),
    )


def _reach_of(client: Client) -> ReachChange:
    holder, scopes = Holder(client=client.id), " ".join(client.scopes)
    return reaches.of_row(client.reach_version, client.grants, holder, scopes)
