"""How many files each upload ticket has brought; a row is made with the first one."""

from __future__ import annotations

from servicekit.database import Connection
from wharf_upload.records.base import TicketUse, TicketUsedUp


def used(connection: Connection, tenant: str, ticket: str) -> int:
    """Files so far."""
    row = connection.row(
        "SELECT uses FROM ticket_uses WHERE tenant = ? AND ticket = ?", (tenant, ticket)
    )
    return row[0] if row else 0


def require(connection: Connection, tenant: str, use: TicketUse, files: int) -> None:
    """Raises `TicketUsedUp` when so many more files are too many.

    Changes of one tenant take turns, so that what is seen here holds until the commit.
    """
    if use.max_files is not None and used(connection, tenant, use.id) + files > use.max_files:
        raise TicketUsedUp(use.max_files)


def count(connection: Connection, tenant: str, use: TicketUse, files: int) -> None:
    """Counts files that become visible with this commit."""
    if use.max_files is None:
        return
    connection.execute(
        "INSERT INTO ticket_uses (tenant, ticket, uses, expires_at) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (tenant, ticket) DO UPDATE SET uses = ticket_uses.uses + excluded.uses",
        (tenant, use.id, files, use.expires_at),
    )
