"""`GET /v1/ticket`: the rules of the request's upload ticket."""

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
    """The queries to the database; see `database.contract`."""

    def ticket_uses(self, tenant: str, ticket: str) -> int:
        """Return how many files clients have uploaded with an upload ticket."""


def blueprint(rules: UploadRules, stored: StoredUses) -> ProtectedBlueprint:
    """Return the route."""
    routes = ProtectedBlueprint(
        "ticket_rules", __name__, protection=scope(WRITE, takes_tickets=True)
    )

    @routes.get("/v1/ticket")
    @operation(
        Operation(
            id="getTicket",
            tag="uploads",
            summary="Read the rules of an upload ticket",
            description="For pages that give a ticket to a person: where its files go, which files "
            "are accepted, how many have arrived, and when it expires. The credential is the "
            "ticket itself. A ticket that is used up can still read its rules, but not a ticket "
            "whose maker no longer has grants for the place.",
            answers={200: Answer("The ticket's rules.", schemas.TicketDocument)},
            problems=(NOT_FOUND, OUTSIDE_GRANTS),
        )
    )
    def get_ticket() -> schemas.TicketDocument:
        caller: Principal = g.principal
        if caller.ticket is None:
            raise NOT_FOUND("The credential is not an upload ticket.")
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
