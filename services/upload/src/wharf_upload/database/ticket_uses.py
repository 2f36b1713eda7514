"""Counts the files that clients upload with each ticket that has `max_files`.

The first file of a ticket creates the row of the ticket.
"""

from __future__ import annotations

from servicekit.database import Connection
from wharf_upload.database.aggregate import Aggregate
from wharf_upload.database.retention import forget
from wharf_upload.domain.file_writes import TicketUse
from wharf_upload.domain.refusals import TicketUsedUp


def used(connection: Connection, tenant: str, ticket: str) -> int:
    """Return how many files clients have uploaded with the ticket; 0 without `max_files`."""
    row = connection.row(
        "SELECT uses FROM ticket_uses WHERE tenant = ? AND ticket = ?", (tenant, ticket)
    )
    return row[0] if row else 0


def require(connection: Connection, tenant: str, use: TicketUse, files: int) -> None:
    """Raise `TicketUsedUp` if the ticket does not permit `files` more files.

    Changes of one tenant run one after the other, so the count stays true until the commit.
    """
    if use.max_files is not None and used(connection, tenant, use.id) + files > use.max_files:
        raise TicketUsedUp(use.max_files)


def count(connection: Connection, tenant: str, use: TicketUse, files: int) -> None:
    """Count files that become visible with this commit, if the ticket has `max_files`."""
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
        """Return how many files clients have uploaded with the ticket; 0 without `max_files`."""
        return used(self._database.reading(), tenant, ticket)

    def forget_ticket_uses(self, before: int) -> int:
        """Delete the counts of tickets that expired before a time; return how many were deleted."""
        return forget(self._database, "ticket_uses", "expires_at", "tenant, ticket", before)
