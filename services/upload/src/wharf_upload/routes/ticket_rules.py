"""`GET /v1/ticket`: what the upload ticket of the request allows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

from flask import g

from servicekit.operations import Answer, Operation, operation
from servicekit.problems import NOT_FOUND
from servicekit.protected_routes import ProtectedBlueprint
from servicekit.protection import scope
from servicekit.tickets import Ticket
from servicekit.tokens import Principal
from wharf_upload.access.authorization import WRITE
from wharf_upload.http import schemas
from wharf_upload.problems import OUTSIDE_GRANTS
from wharf_upload.uploads.rules import UploadRules


class StoredUses(Protocol):
    """What is asked of the database; see `database.contract`."""

    def ticket_uses(self, tenant: str, ticket: str) -> int:
        """Return how many files an upload ticket has brought."""


def blueprint(rules: UploadRules, stored: StoredUses) -> ProtectedBlueprint:
    """The route."""
    routes = ProtectedBlueprint(
        "ticket_rules", __name__, protection=scope(WRITE, takes_tickets=True)
    )

    @routes.get("/v1/ticket")
    @operation(
        Operation(
            id="getTicket",
            tag="uploads",
            summary="Read what an upload ticket allows",
            description="For pages that hand a ticket to somebody: where it uploads to, what is "
            "taken there, how many files have come, and until when it is good. The credential is "
            "the ticket itself; it is good for reading this even when it is used up, but not where "
            "the grants of its maker do not reach any more.",
            answers={200: Answer("The ticket's rules.", schemas.TicketDocument)},
            problems=(NOT_FOUND, OUTSIDE_GRANTS),
        )
    )
    def get_ticket() -> schemas.TicketDocument:
        caller: Principal = g.principal
        if caller.ticket is None:
            raise NOT_FOUND("The credential is no upload ticket.")
        return _document(caller, caller.ticket)

    def _document(caller: Principal, ticket: Ticket) -> schemas.TicketDocument:
        policy, largest = rules.of_allowed(caller, ticket.bucket, ticket.key or "")
        return schemas.TicketDocument(
            tenant=caller.tenant,
            bucket=ticket.bucket,
            key=ticket.key,
            prefix=ticket.prefix,
            methods=ticket.methods,
            max_file_bytes=largest.bytes,
            allowed_types=ticket.allowed_types or policy.allowed_types,
            allowed_extensions=policy.allowed_extensions,
            max_files=ticket.max_files,
            files=stored.ticket_uses(caller.tenant, caller.token_id),
            expires_at=datetime.fromtimestamp(caller.expires_at, UTC),
        )

    return routes
