"""Helpers for tests of the console's pages that move or change files."""

from __future__ import annotations

from tests.servers.console import Console
from tests.servers.console_documents import file_document
from tests.servers.fake_gateway import Call, Reply

TO_X = {"confirmed": "yes", "to_bucket": "docs", "to_folder": "x", "on_conflict": "error"}


def changes(console: Console) -> list[tuple[str, str]]:
    """Return method and path of each changing request to the API."""
    return [
        (call.method, call.path)
        for call in console.gateway.calls
        if call.method != "GET" and call.path.startswith("/v1/")
    ]


def moved(call: Call) -> Reply:
    """Return the response to a move: the file at its new address."""
    to = call.json["to"]
    return Reply(file_document(to["key"], bucket=to["bucket"]), 201)
