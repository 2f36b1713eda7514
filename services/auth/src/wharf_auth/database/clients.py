"""Clients and their secrets in SQL."""

from __future__ import annotations

from servicekit.database import Connection, Database, Row, UniqueViolation
from wharf_auth.database import audit, feed
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
from wharf_auth.database.tenants import require_live_tenant
from wharf_auth.domain.acts import Act

_CLIENT = "SELECT id, tenant, name, scopes, created_at, disabled_at FROM clients"


def _client(row: Row) -> Client:
    identifier, tenant, name, scopes, created_at, disabled_at = row
    return Client(identifier, tenant, name, tuple(scopes.split()), created_at, disabled_at)


class SqlClients:
    """Implements `ClientRecords`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_client(self, client: Client, secret: Secret, act: Act) -> None:
        """Adds client and secret together."""
        try:
            with self._database.transaction() as connection:
                require_live_tenant(connection, client.tenant)
                connection.execute(
                    "INSERT INTO clients (id, tenant, name, scopes, created_at, disabled_at) "
                    "VALUES (?, ?, ?, ?, ?, ?)",
                    (
                        client.id,
                        client.tenant,
                        client.name,
                        " ".join(client.scopes),
                        client.created_at,
                        client.disabled_at,
                    ),
                )
                _insert_secret(connection, client.id, secret)
                audit.append(connection, act)
        except UniqueViolation:
            raise NameTaken(client.id) from None

    def clients(self, tenant: str, *, after: str, limit: int) -> list[Client]:
        """Reads a page of clients."""
        connection = self._database.reading()
        if connection.row("SELECT 1 FROM tenants WHERE name = ?", (tenant,)) is None:
            raise NoSuchTenant(tenant)
        rows = connection.rows(
            f"{_CLIENT} WHERE tenant = ? AND id > ? ORDER BY id LIMIT ?", (tenant, after, limit)
        )
        return [_client(row) for row in rows]

    def disable(self, tenant: str, client: str, until: int, act: Act) -> None:
        """Keeps the moment of the first disabling."""
        with self._database.transaction() as connection:
            self._lock_client(connection, tenant, client)
            if connection.execute(
                "UPDATE clients SET disabled_at = ? WHERE id = ? AND disabled_at IS NULL",
                (act.at, client),
            ):
                feed.append(
                    connection,
                    "subject",
                    "revoked",
                    tenant=tenant,
                    thing=client,
                    until=until,
                    at=act.at,
                )
            audit.append(connection, act)

    def login(self, client: str) -> Login | None:
        """One statement, so that all of it is of one moment."""
        rows = self._database.reading().rows(
            "SELECT c.id, c.tenant, c.name, c.scopes, c.created_at, c.disabled_at, "
            "COALESCE(t.deleted_at, t.suspended_at), s.id, s.hint, s.hash, s.created_at "
            "FROM clients c JOIN tenants t ON t.name = c.tenant "
            "LEFT JOIN client_secrets s ON s.client = c.id AND s.retired_at IS NULL "
            "WHERE c.id = ? ORDER BY s.id",
            (client,),
        )
        if not rows:
            return None
        secrets = tuple(Secret(*row[7:]) for row in rows if row[7] is not None)
        return Login(_client(rows[0][:6]), secrets, rows[0][6] is not None)

    def add_secret(self, tenant: str, client: str, secret: Secret, act: Act) -> None:
        """Counts and adds while holding the client's row, so that two at once cannot make three."""
        with self._database.transaction() as connection:
            self._lock_client(connection, tenant, client)
            row = connection.row(
                "SELECT COUNT(*) FROM client_secrets WHERE client = ? AND retired_at IS NULL",
                (client,),
            )
            if row and row[0] >= MAX_LIVE_SECRETS:
                raise TooManySecrets(client)
            _insert_secret(connection, client, secret)
            audit.append(connection, act)

    def retire_secret(self, tenant: str, client: str, secret: str, act: Act) -> bool:
        """The row stays, for the audit."""
        with self._database.transaction() as connection:
            self._lock_client(connection, tenant, client)
            changed = connection.execute(
                "UPDATE client_secrets SET retired_at = ? "
                "WHERE id = ? AND client = ? AND retired_at IS NULL",
                (act.at, secret, client),
            )
            if changed:
                audit.append(connection, act)
        return bool(changed)

    @staticmethod
    def _lock_client(connection: Connection, tenant: str, client: str) -> None:
        # An update locks the row on PostgreSQL, and SQLite has one writer anyway.
        if not connection.execute(
            "UPDATE clients SET name = name WHERE id = ? AND tenant = ?", (client, tenant)
        ):
            raise NoSuchClient(client)


def _insert_secret(connection: Connection, client: str, secret: Secret) -> None:
    connection.execute(
        "INSERT INTO client_secrets (id, client, hint, hash, created_at) VALUES (?, ?, ?, ?, ?)",
        (secret.id, client, secret.hint, secret.hash, secret.created_at),
    )
