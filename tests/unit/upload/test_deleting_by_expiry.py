"""Tests that a client without `files:delete` cannot end a file by setting its expiry."""

from __future__ import annotations

import json
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.servers.upload import UploadService

WRITER = "files:read files:write"
SOON, NEVER = "2030-01-31T12:00:00Z", None
METADATA = "/v1/metadata/default/a.txt"


def ask(
    upload: UploadService, scope: str, method: str, path: str, body: dict[str, Any]
) -> TestResponse:
    """Send a request of a client that reaches all keys."""
    token = upload.issuer.token(scope=scope)
    fields = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    return upload.request(method, path, json.dumps(body).encode(), fields)


def known(upload: UploadService, key: str = "a.txt") -> dict[str, Any]:
    """Return the metadata document of a file."""
    reply = upload.request("GET", f"/v1/metadata/default/{key}")
    assert reply.status_code == 200
    found: dict[str, Any] = reply.get_json()
    return found


@pytest.mark.parametrize("moment", [SOON, NEVER])
@pytest.mark.parametrize("more", [{}, {"key": "b.txt"}, {"metadata": {"a": "b"}}])
def test_a_writer_does_not_change_an_expiry(
    upload: UploadService, moment: str | None, more: dict[str, object]
) -> None:
    """Without `files:delete` a change that sets the expiry is refused completely, with all its
    other fields, for an existing and for an absent file.
    """
    upload.put("a.txt", b"text")
    before = known(upload)
    change = {"expires_at": moment, **more}
    for path in (METADATA, "/v1/metadata/default/absent.txt"):
        reply = ask(upload, WRITER, "PATCH", path, change)
        assert reply.status_code == 403
        assert reply.get_json()["required_scope"] == "files:delete"
    assert known(upload) == before
    assert ask(upload, f"{WRITER} files:delete", "PATCH", METADATA, change).status_code == 200


@pytest.mark.parametrize("change", [{"filename": "b.txt"}, {"key": "b.txt"}, {"metadata": {}}])
def test_a_writer_changes_the_rest(upload: UploadService, change: dict[str, object]) -> None:
    """A change without an expiry needs only `files:write`."""
    upload.put("a.txt", b"text")
    assert ask(upload, WRITER, "PATCH", METADATA, change).status_code == 200


def test_a_writer_does_not_move_a_file_to_where_files_expire(upload: UploadService) -> None:
    """A move needs `files:delete` if files expire in its target bucket.

    This applies even if the move is repeated with an Idempotency-Key. A move into a bucket without
    expiry needs no `files:delete`.
    """
    upload.put("a.txt", b"text")
    for bucket, policy in (("brief", b'{"expire_after_seconds": 1}'), ("lasting", b"{}")):
        as_json = {"Content-Type": "application/json"}
        upload.request("PUT", f"/v1/buckets/{bucket}", policy, as_json)

    def moved(scope: str, bucket: str) -> TestResponse:
        place = {"bucket": bucket, "key": "a.txt"}
        body = {"from": {"bucket": "default", "key": "a.txt"}, "to": place, "move": True}
        token = upload.issuer.token(scope=scope)
        fields = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        fields["Idempotency-Key"] = f'"{bucket}"'
        return upload.request("POST", "/v1/copies", json.dumps(body).encode(), fields)

    for _ in range(2):
        refused = moved(WRITER, "brief")
        assert refused.status_code == 403
        assert refused.get_json()["required_scope"] == "files:delete"
    assert upload.content("a.txt") == b"text"
    assert moved(WRITER, "lasting").status_code == 201
    upload.put("a.txt", b"text")
    assert moved(f"{WRITER} files:delete", "brief").status_code == 201


def test_the_policy_of_a_bucket_goes_on(upload: UploadService) -> None:
    """A file that a client without `files:delete` stores gets the expiry of its bucket's policy."""
    as_json = {"Content-Type": "application/json"}
    upload.request("PUT", "/v1/buckets/brief", b'{"expire_after_seconds": 60}', as_json)
    token = upload.issuer.token(scope=WRITER)
    bearer = {"Authorization": f"Bearer {token}"}
    reply = upload.request("PUT", "/v1/files/brief/a.txt", b"text", bearer)
    assert reply.status_code == 201
    assert reply.get_json()["expires_at"] is not None
