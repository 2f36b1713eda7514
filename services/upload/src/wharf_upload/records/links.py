"""Keys of signed links, and the index of origins that buckets list."""

from __future__ import annotations

import secrets

from servicekit.database import Connection

KEY_BYTES = 32
ANY_ORIGIN = "*"


def find_key(connection: Connection, tenant: str) -> bytes | None:
    """The tenant's secret, or `None` before the first link."""
    row = connection.row("SELECT secret FROM link_keys WHERE tenant = ?", (tenant,))
    return bytes.fromhex(row[0]) if row else None


def make_key(connection: Connection, tenant: str, now: int) -> None:
    """Gives the tenant a secret unless it has one."""
    connection.execute(
        "INSERT INTO link_keys (tenant, secret, created_at) VALUES (?, ?, ?) "
        "ON CONFLICT (tenant) DO NOTHING",
        (tenant, secrets.token_hex(KEY_BYTES), now),
    )


def replace_key(connection: Connection, tenant: str, now: int) -> None:
    """Gives the tenant a new secret."""
    connection.execute(
        "INSERT INTO link_keys (tenant, secret, created_at) VALUES (?, ?, ?) "
        "ON CONFLICT (tenant) DO UPDATE SET "
        "secret = excluded.secret, created_at = excluded.created_at",
        (tenant, secrets.token_hex(KEY_BYTES), now),
    )


def index_origins(
    connection: Connection, tenant: str, bucket: str, origins: tuple[str, ...]
) -> None:
    """Makes the index say what the bucket's policy says; in the policy's own transaction."""
    connection.execute("DELETE FROM cors_origins WHERE tenant = ? AND bucket = ?", (tenant, bucket))
    if origins:
        connection.execute_many(
            "INSERT INTO cors_origins (bucket, origin, tenant) VALUES (?, ?, ?)",
            [(bucket, origin, tenant) for origin in dict.fromkeys(origins)],
        )


def lists_origin(
    connection: Connection, bucket: str | None, origin: str, tenant: str | None = None
) -> bool:
    """Whether a bucket of this name (`None`: any) and tenant (`None`: any) lists the origin."""
    sql, names = "SELECT 1 FROM cors_origins WHERE origin IN (?, ?)", []
    for column, name in (("bucket", bucket), ("tenant", tenant)):
        if name is not None:
            sql += f" AND {column} = ?"
            names.append(name)
    return connection.row(f"{sql} LIMIT 1", (origin, ANY_ORIGIN, *names)) is not None
