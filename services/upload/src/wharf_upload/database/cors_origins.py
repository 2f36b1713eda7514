"""The index of the origins that bucket policies list."""

from __future__ import annotations

from servicekit.database import Connection

ANY_ORIGIN = "*"


def index(connection: Connection, tenant: str, bucket: str, origins: tuple[str, ...]) -> None:
    """Replace the index entries of a bucket by `origins`.

    The call belongs in the transaction that stores or deletes the bucket.
    """
    connection.execute("DELETE FROM cors_origins WHERE tenant = ? AND bucket = ?", (tenant, bucket))
    if origins:
        connection.execute_many(
            "INSERT INTO cors_origins (bucket, origin, tenant) VALUES (?, ?, ?)",
            [(bucket, origin, tenant) for origin in dict.fromkeys(origins)],
        )


def is_listed(connection: Connection, origin: str, tenant: str | None = None) -> bool:
    """Tell whether a bucket of the tenant lists the origin or `*`; `None` means any tenant."""
    sql, names = "SELECT 1 FROM cors_origins WHERE origin IN (?, ?)", [origin, ANY_ORIGIN]
    if tenant is not None:
        sql += " AND tenant = ?"
        names.append(tenant)
    # This order makes PostgreSQL use the index by origin; without it, PostgreSQL may choose another
    # index and read all of it.
    return connection.row(f"{sql} ORDER BY origin, tenant LIMIT 1", tuple(names)) is not None
