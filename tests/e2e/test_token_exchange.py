"""Tickets by token exchange through the whole of Wharf: from a client's token to a stored file.

Row numbers are those of the tables in docs/security.md.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.servers.wharf.api_client import LARGE, SMALL, Answer, ApiClient
from tests.servers.wharf.tenants import Tenants

TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"
PLACE = {"bucket": "default", "prefix": "in/"}


@pytest.fixture
def api(tenants: Tenants) -> ApiClient:
    """Return a client that auth has registered, of a separate tenant."""
    return tenants.tenant("files:read", "files:write")


def exchange(api: ApiClient, ticket: dict[str, Any] | None = None, **fields: str) -> Answer:
    """Exchange the client's token, which is the only credential of the request."""
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": str(api.token),
        "subject_token_type": TOKEN_TYPE,
        **({} if ticket is None else {"ticket": json.dumps(ticket)}),
        **fields,
    }
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    return api.using(None).request("POST", "/auth/oauth/token", urlencode(form).encode(), kind)


def narrowed(api: ApiClient, ticket: dict[str, Any] | None = None, **fields: str) -> ApiClient:
    answer = exchange(api, ticket, **fields)
    assert answer.status == 200, answer.body
    return api.using(answer.json()["access_token"])


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["in-memory", "spooled"])
def test_a_ticket_uploads_and_does_nothing_else(api: ApiClient, content: bytes) -> None:
    """A ticket can store files inside its prefix, and can neither read, list nor delete them."""
    ticket = narrowed(api, PLACE)
    assert ticket.put("in/a", content).status == 201
    ticket.put("a", content).problem(403, "ticket-refused")
    ticket.file("in/a").problem(403, "insufficient-scope")
    ticket.get("/v1/files/default").problem(403, "insufficient-scope")
    ticket.delete("in/a").problem(403, "insufficient-scope")
    assert api.file("in/a").body == content


def test_narrowing_gives_no_new_uses(api: ApiClient) -> None:
    """Row 77: a ticket for two files and all its narrowed tickets allow two files in total."""
    ticket = narrowed(api, {**PLACE, "max_files": 2})
    again = narrowed(ticket, {**PLACE, "max_files": 2})
    once = narrowed(ticket, {**PLACE, "max_files": 1})
    assert once.put("in/1").status == 201
    once.put("in/2").problem(403, "ticket-used-up")
    assert again.put("in/2").status == 201
    for spent in (ticket, again, once, narrowed(ticket)):
        spent.put("in/3").problem(403, "ticket-used-up")


def test_narrowing_to_a_key_does_not_learn_to_replace(api: ApiClient) -> None:
    """Row 77: a prefix's ticket cannot replace a file, even when narrowed to the file's key."""
    api.stored("in/a", b"the first")
    key = {"bucket": "default", "key": "in/a"}
    narrowed(narrowed(api, PLACE), key).put("in/a", b"other").problem(409, "key-taken")
    assert api.file("in/a").body == b"the first"
    assert narrowed(api, key).put("in/a", b"the second").status in (200, 201)


def test_wider_tickets_are_refused(api: ApiClient) -> None:
    """Row 77: a ticket cannot be exchanged for a wider place, more bytes or another scope."""
    ticket = narrowed(api, {**PLACE, "max_file_bytes": 10})
    for wider in (
        {**PLACE, "prefix": ""},
        {**PLACE, "bucket": "others"},
        {**PLACE, "max_file_bytes": 11},
    ):
        answer = exchange(ticket, wider)
        assert (answer.status, answer.json()["error"]) == (400, "invalid_request")
    answer = exchange(ticket, None, scope="files:read")
    assert (answer.status, answer.json()["error"]) == (400, "invalid_scope")


def test_a_token_with_fewer_scopes(api: ApiClient) -> None:
    """A token can be narrowed to a token that can only read, without a ticket."""
    reader = narrowed(api, scope="files:read", expires_in="60")
    api.stored("a")
    assert reader.file("a").status == 200
    reader.put("b").problem(403, "insufficient-scope")
