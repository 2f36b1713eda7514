"""How many files each upload ticket has brought; a row is made with the first one."""

from __future__ import annotations

from servicekit.database import Connection
from wharf_upload.database.aggregate import Aggregate
from wharf_upload.database.retention import forget
from wharf_upload.domain.file_writes import TicketUse
from wharf_upload.domain.refusals import TicketUsedUp


def used(connection: Connection, tenant: str, ticket: str) -> int:
    """Return how many files the ticket has brought."""
    row = connection.row(
        "SELECT uses FROM ticket_uses WHERE tenant = ? AND ticket = ?", (tenant, ticket)
    )
    return row[0] if row else 0


def require(connection: Connection, tenant: str, use: TicketUse, files: int) -> None:
    """Raise `TicketUsedUp` if so many more files are too many.

    Changes of one tenant take turns, so that what is seen here holds until the commit.
    """
    if use.max_files is not None and used(connection, tenant, use.id) + files > use.max_files:
        raise TicketUsedUp(use.max_files)


def count(connection: Connection, tenant: str, use: TicketUse, files: int) -> None:
    """Count files that become visible with this commit."""
    if use.max_files is None:
        return
    connection.execute(
        "INSERT INTO ticket_uses (tenant, ticket, uses, expires_at) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (tenant, ticket) DO UPDATE SET uses = ticket_uses.uses + excluded.uses",
        (tenant, use.id, files, use.expires_at),
    )


class SqlTicketUses(Aggregate):
    """Implements `contract.TicketRecords`."""

    def ticket_uses(self, tenant: str, ticket: str) -> int:
        """Return how many files an upload ticket has brought."""
        return used(self._database.reading(), tenant, ticket)

    def forget_ticket_uses(self, before: int) -> int:
        """Drop the counts of tickets that expired before a time; return how many."""
        return forget(self._database, "ticket_uses", "expires_at", "tenant, ticket", before)
