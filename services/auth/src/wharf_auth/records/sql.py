"""The auth records in SQLite or PostgreSQL."""

from __future__ import annotations

from servicekit.database import Connection, Database, Row, UniqueViolation
from wharf_auth.records.base import (
    MAX_LIVE_SECRETS,
    Client,
    Login,
    NameTaken,
    NoSuchClient,
    NoSuchTenant,
    Secret,
    Tenant,
    TooManySecrets,
)

_TENANT = "SELECT name, display_name, created_at, suspended_at FROM tenants"
_CLIENT = "SELECT id, tenant, name, scopes, created_at, disabled_at FROM clients"


def _tenant(row: Row) -> Tenant:
    return Tenant(*row)


def _client(row: Row) -> Client:
    identifier, tenant, name, scopes, created_at, disabled_at = row
    return Client(identifier, tenant, name, tuple(scopes.split()), created_at, disabled_at)


def _require_tenant(connection: Connection, name: str) -> None:
    if connection.row("SELECT 1 FROM tenants WHERE name = ?", (name,)) is None:
        raise NoSuchTenant(name)


class SqlRecords:
    """Implements `Records`; see there for what the calls promise."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def check(self) -> None:
        """Reads from the tables."""
        self._database.reading().row("SELECT 1 FROM client_secrets LIMIT 1")

    def add_tenant(self, tenant: Tenant) -> None:
        """Adds a tenant."""
        try:
            with self._database.transaction() as connection:
                connection.execute(
                    "INSERT INTO tenants (name, display_name, created_at, suspended_at) "
                    "VALUES (?, ?, ?, ?)",
                    (tenant.name, tenant.display_name, tenant.created_at, tenant.suspended_at),
                )
        except UniqueViolation:
            raise NameTaken(tenant.name) from None

    def tenant(self, name: str) -> Tenant | None:
        """Reads one tenant."""
        row = self._database.reading().row(f"{_TENANT} WHERE name = ?", (name,))
        return _tenant(row) if row else None

    def tenants(self, *, after: str, limit: int) -> list[Tenant]:
        """Reads a page of tenants."""
        rows = self._database.reading().rows(
            f"{_TENANT} WHERE name > ? ORDER BY name LIMIT ?", (after, limit)
        )
        return [_tenant(row) for row in rows]

    def suspend(self, name: str, at: int) -> None:
        """Keeps the moment of the first suspension."""
        self._set_suspended(
            "UPDATE tenants SET suspended_at = COALESCE(suspended_at, ?) WHERE name = ?", (at, name)
        )

    def resume(self, name: str) -> None:
        """Clears the suspension."""
        self._set_suspended("UPDATE tenants SET suspended_at = NULL WHERE name = ?", (name,))

    def _set_suspended(self, sql: str, parameters: tuple[object, ...]) -> None:
        with self._database.transaction() as connection:
            if not connection.execute(sql, parameters):
                raise NoSuchTenant(parameters[-1])

    def add_client(self, client: Client, secret: Secret) -> None:
        """Adds client and secret together."""
        try:
            with self._database.transaction() as connection:
                _require_tenant(connection, client.tenant)
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
        except UniqueViolation:
            raise NameTaken(client.id) from None

    def clients(self, tenant: str, *, after: str, limit: int) -> list[Client]:
        """Reads a page of clients."""
        connection = self._database.reading()
        _require_tenant(connection, tenant)
        rows = connection.rows(
            f"{_CLIENT} WHERE tenant = ? AND id > ? ORDER BY id LIMIT ?", (tenant, after, limit)
        )
        return [_client(row) for row in rows]

    def disable(self, tenant: str, client: str, at: int) -> None:
        """Keeps the moment of the first disabling."""
        with self._database.transaction() as connection:
            if not connection.execute(
                "UPDATE clients SET disabled_at = COALESCE(disabled_at, ?) "
                "WHERE id = ? AND tenant = ?",
                (at, client, tenant),
            ):
                raise NoSuchClient(client)

    def login(self, client: str) -> Login | None:
        """One statement, so that all of it is of one moment."""
        rows = self._database.reading().rows(
            "SELECT c.id, c.tenant, c.name, c.scopes, c.created_at, c.disabled_at, "
            "t.suspended_at, s.id, s.hint, s.hash, s.created_at "
            "FROM clients c JOIN tenants t ON t.name = c.tenant "
            "LEFT JOIN client_secrets s ON s.client = c.id AND s.retired_at IS NULL "
            "WHERE c.id = ? ORDER BY s.id",
            (client,),
        )
        if not rows:
            return None
        secrets = tuple(Secret(*row[7:]) for row in rows if row[7] is not None)
        return Login(_client(rows[0][:6]), secrets, rows[0][6] is not None)

    def add_secret(self, tenant: str, client: str, secret: Secret) -> None:
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

    def retire_secret(self, tenant: str, client: str, secret: str, at: int) -> bool:
        """The row stays, for the audit."""
        with self._database.transaction() as connection:
            self._lock_client(connection, tenant, client)
            changed = connection.execute(
                "UPDATE client_secrets SET retired_at = ? "
                "WHERE id = ? AND client = ? AND retired_at IS NULL",
                (at, secret, client),
            )
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
