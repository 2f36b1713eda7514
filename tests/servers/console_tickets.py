"""The gateway's responses about upload tickets, for tests of the console."""

from __future__ import annotations

import json
from typing import Any

from tests.servers.fake_gateway import Call, FakeGateway, Reply, problem

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
TICKET = "ticket.of.auth"


def ticket_document(**fields: Any) -> dict[str, Any]:
    """Return the API's document of a ticket."""
    return {
        "tenant": "acme",
        "bucket": "docs",
        "key": None,
        "prefix": "in/",
        "methods": ["PUT", "POST"],
        "max_file_bytes": 5_000_000,
        "allowed_types": [],
        "allowed_extensions": [],
        "max_files": 20,
        "files": 0,
        "expires_at": "2026-11-18T11:00:00Z",
        **fields,
    }


def give_tickets(gateway: FakeGateway, **fields: Any) -> list[Call]:
    """Let the gateway exchange tokens for tickets with these fields, and return a list that gets
    each request for an exchange.
    """
    asked: list[Call] = []

    def token(call: Call) -> Reply:
        if call.form.get("grant_type") != [EXCHANGE]:
            return problem(404, "not-found")
        asked.append(call)
        seconds = int(call.form["expires_in"][0])
        return Reply({"access_token": TICKET, "token_type": "Bearer", "expires_in": seconds})

    gateway.on("POST", "/auth/oauth/token", token)
    gateway.on("GET", "/v1/ticket", Reply(ticket_document(**fields)))
    return asked


def refuse_tickets(gateway: FakeGateway, description: str) -> None:
    """Make auth refuse tickets with an error of OAuth. Refreshes of tokens are refused, too."""

    def refuse(call: Call) -> Reply:
        is_exchange = call.form.get("grant_type") == [EXCHANGE]
        code = "invalid_request" if is_exchange else "invalid_grant"
        return Reply({"error": code, "error_description": description}, 400)

    gateway.on("POST", "/auth/oauth/token", refuse)


def rules_of(call: Call) -> dict[str, Any]:
    """Return the rules of the requested ticket."""
    found: dict[str, Any] = json.loads(call.form["ticket"][0])
    return found
