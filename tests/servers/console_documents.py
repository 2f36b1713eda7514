"""Documents of the API about a person, a bucket and files, for tests of the console."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from tests.servers.fake_gateway import FakeGateway, Reply

NOW = 1_795_000_000.0


ROLES = {
    "viewer": "files:read",
    "editor": "files:read files:write files:delete",
    "owner": "files:read files:write files:delete buckets:admin events:read webhooks:admin "
    "members:admin",
}


LOGIN = {"tenant": "acme", "username": "ann", "password": "correct horse"}


def grant(gateway: FakeGateway, role: str = "owner", **fields: str) -> None:
    """Let the gateway accept logins, refreshes and logouts, and describe a person with this role in
    `/auth/me`.
    """
    count = iter(range(1, 1000))

    def tokens() -> Reply:
        number = next(count)
        return Reply(
            {
                "access_token": f"access-{number}",
                "refresh_token": f"refresh-{number}",
                "token_type": "Bearer",
                "expires_in": 900,
                "scope": ROLES[role],
            }
        )

    gateway.on("POST", "/auth/login", lambda _: tokens())
    gateway.on("POST", "/auth/oauth/token", lambda _: tokens())
    gateway.on("POST", "/auth/logout", Reply(status=204))
    gateway.on("GET", "/auth/me", Reply(me(role) | fields))


def me(role: str = "owner") -> dict[str, Any]:
    """Return the document of `/auth/me` about Ann, who has this role."""
    return {
        "user_id": "user-1",
        "tenant": "acme",
        "username": "ann",
        "display_name": "Ann Example",
        "role": role,
        "scopes": ROLES[role].split(),
        "session": session_document(),
    }


def session_document(**fields: Any) -> dict[str, Any]:
    """Return a document of a session in auth."""
    return {
        "session_id": "session-1",
        "created_at": "2026-11-18T10:00:00.000Z",
        "used_at": "2026-11-18T10:00:00.000Z",
        "expires_at": "2026-12-18T10:00:00.000Z",
        "address": "127.0.0.1",
        "user_agent": "Test",
        "current": True,
        **fields,
    }


def bucket_document(name: str = "docs", **fields: Any) -> dict[str, Any]:
    """Return a document of a bucket."""
    return {
        "name": name,
        "public": False,
        "max_file_bytes": None,
        "allowed_types": [],
        "allowed_extensions": [],
        "expire_after_seconds": None,
        "cors_origins": [],
        "created_at": "2026-11-01T08:00:00Z",
        **fields,
    }


def file_document(key: str = "a.txt", **fields: Any) -> dict[str, Any]:
    """Return a document of a file."""
    return {
        "id": "0193",
        "bucket": "docs",
        "key": key,
        "filename": key.rpartition("/")[2],
        "size": 1234,
        "sha256": "0" * 64,
        "media_type": "text/plain",
        "declared_type": None,
        "etag": '"1"',
        "state": "available",
        "metadata": {},
        "created_at": "2026-11-18T10:00:00Z",
        "expires_at": None,
        "links": {"content": f"/v1/files/docs/{key}", "metadata": f"/v1/metadata/docs/{key}"},
        **fields,
    }


def serve_documents(gateway: FakeGateway) -> None:
    """Let the gateway list one empty bucket `docs`, and no events, uploads and links."""
    usage = {"bytes": 0, "files": 0, "allowed": {"max_bytes": 1_000_000, "max_files": None}}
    gateway.on("GET", "/v1/buckets", Reply({"buckets": [bucket_document()]}))
    gateway.on("GET", "/v1/buckets/docs", Reply(bucket_document()))
    gateway.on("GET", "/v1/usage", Reply(usage))
    gateway.on("GET", "/v1/files/docs", Reply({"files": [], "prefixes": [], "next_cursor": None}))
    gateway.on("GET", "/v1/events", Reply({"events": [], "next_after": 0}))
    gateway.on("GET", "/v1/uploads", Reply({"uploads": [], "next_cursor": None}))
    gateway.on("GET", "/v1/links", Reply({"links": [], "next_cursor": None}))


def serve_file(gateway: FakeGateway, key: str = "a.txt", **fields: Any) -> dict[str, Any]:
    """Let the gateway list this file as the only one in `docs` and create links; return the file's
    document.
    """
    file = file_document(key, **fields)
    path = re.escape(quote(key, safe="/"))
    link = {"url": f"/s/link-to-{len(key)}", "expires_at": "2026-11-19T10:00:00Z"}
    listing = {"files": [file], "prefixes": [], "next_cursor": None}
    gateway.on("GET", f"/v1/metadata/docs/{path}", Reply(file))
    gateway.on("GET", "/v1/files/docs", Reply(listing))
    gateway.on("POST", "/v1/links", Reply(link, 201))
    return file
