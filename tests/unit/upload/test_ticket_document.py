"""Tests of `GET /v1/ticket`, which shows the holder what a ticket allows."""

from __future__ import annotations

from typing import Any

from tests.servers.upload import UploadService
from tests.unit.upload.test_tickets import bearer, refused, send, ticket


def told(upload: UploadService, token: str) -> dict[str, Any]:
    """Return the document of the ticket."""
    reply = send(upload, "GET", "/v1/ticket", b"", bearer(token))
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.get_json()
    return found


def test_a_ticket_tells_its_rules(upload: UploadService) -> None:
    """The document has the ticket's place, number of files and expiry."""
    found = told(upload, ticket(upload, max_files=2, allowed_types=["image/*"], methods=["POST"]))
    assert (found["bucket"], found["prefix"], found["key"]) == ("default", "in/", None)
    assert (found["max_files"], found["files"]) == (2, 0)
    assert found["allowed_types"] == ["image/*"]
    assert found["methods"] == ["POST"]
    assert found["expires_at"].endswith("Z")
    assert found["tenant"] == upload.tenant


def test_the_buckets_rules_hold_where_the_ticket_has_none(upload: UploadService) -> None:
    """The document has the ticket's rules, else the bucket's, and the smaller of two limits."""
    policy = b'{"max_file_bytes": 1000, "allowed_types": ["text/*"], "allowed_extensions": ["txt"]}'
    upload.request("PUT", "/v1/buckets/small", policy, {"Content-Type": "application/json"})
    found = told(upload, ticket(upload, bucket="small", max_file_bytes=2000))
    assert found["max_file_bytes"] == 1000
    assert (found["allowed_types"], found["allowed_extensions"]) == (["text/*"], ["txt"])
    assert told(upload, ticket(upload, bucket="small", max_file_bytes=10))["max_file_bytes"] == 10


def test_a_ticket_that_is_used_up_tells_so(upload: UploadService) -> None:
    """A used-up ticket still shows its document."""
    token = ticket(upload, max_files=1)
    send(upload, "PUT", "/v1/files/default/in/a", headers=bearer(token))
    found = told(upload, token)
    assert (found["files"], found["max_files"]) == (1, 1)


def test_other_tokens_tell_nothing(upload: UploadService) -> None:
    """Other tokens, and a ticket for an absent bucket, get 404."""
    reply = upload.request("GET", "/v1/ticket")
    assert refused(reply)[:2] == (404, "not-found")
    assert refused(send(upload, "GET", "/v1/ticket", b""))[:2] == (401, "token-missing")
    lost = send(upload, "GET", "/v1/ticket", b"", bearer(ticket(upload, bucket="absent")))
    assert lost.status_code == 404


def test_an_expired_ticket_is_refused(upload: UploadService) -> None:
    """An expired ticket gets 401."""
    token = upload.issuer.token(
        tid=upload.tenant,
        scope="files:write",
        ticket={"bucket": "default", "prefix": ""},
        exp=1_000_000_000,
        iat=999_999_000,
        nbf=999_999_000,
    )
    assert refused(send(upload, "GET", "/v1/ticket", b"", bearer(token)))[:2] == (
        401,
        "token-expired",
    )
