"""Documents of the API about stored links, for tests of the console."""

from __future__ import annotations

from typing import Any

from tests.servers.fake_gateway import FakeGateway, Reply


def kept_link(name: str = "link-1", **fields: Any) -> dict[str, Any]:
    """Return a document of a link to a file, made by Ann, who is logged in."""
    return {
        "id": name,
        "bucket": "docs",
        "key": "a/b.pdf",
        "prefix": None,
        "disposition": "inline",
        "filename": None,
        "maker": "user-1",
        "state": "active",
        "created_at": "2026-11-18T10:00:00Z",
        "expires_at": "2026-11-19T10:00:00Z",
        **fields,
    }


def lists_links(gateway: FakeGateway, *links: dict[str, Any], cursor: str = "") -> None:
    """Let the gateway list these links. `cursor` is the cursor of the next page."""
    gateway.on("GET", "/v1/links", Reply({"links": links, "next_cursor": cursor or None}))
