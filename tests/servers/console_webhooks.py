"""Documents of the API about webhooks, for tests of the console's pages."""

from __future__ import annotations

from typing import Any

from tests.servers.fake_gateway import FakeGateway, Reply

HOOKS = "/v1/webhooks"
HOOK = "019f9a4a7a7b7b21a9d1c2e3f4a50611"
DELIVERY = "AAY3aFbVwAAx6gcR"
SECRET = "whsec_the-secret-itself"


def endpoint_document(**fields: Any) -> dict[str, Any]:
    """Return the document of an active endpoint."""
    return {
        "id": HOOK,
        "url": "https://hooks.example.com/wharf",
        "description": "Index",
        "kinds": ["file.created"],
        "bucket": None,
        "prefix": None,
        "ordered": False,
        "state": "active",
        "reason": None,
        "failing_since": None,
        "missed_at": None,
        "replay": None,
        "created_at": "2026-11-18T10:00:00.000Z",
        **fields,
    }


def delivery_document(**fields: Any) -> dict[str, Any]:
    """Return the document of a delivery that the receiver refused, and that is tried again."""
    return {
        "id": DELIVERY,
        "kind": "file.created",
        "state": "open",
        "attempts": 2,
        "status": 500,
        "milliseconds": 38,
        "answer": "It is broken.",
        "error": "The receiver answered 500.",
        "created_at": "2026-11-18T10:00:00.000Z",
        "tried_at": "2026-11-18T10:00:05.000Z",
        "next_at": "2026-11-18T10:05:05.000Z",
        **fields,
    }


def serve_webhooks(gateway: FakeGateway, **fields: Any) -> None:
    """Let the gateway respond with one endpoint and one delivery; `fields` are the endpoint's."""
    endpoint, one = endpoint_document(**fields), f"{HOOKS}/{HOOK}"
    with_secret = {"endpoint": endpoint, "secret": SECRET}
    gateway.on("GET", HOOKS, Reply({"endpoints": [endpoint]}))
    gateway.on("POST", HOOKS, Reply(with_secret, status=201))
    gateway.on("GET", one, Reply(endpoint))
    gateway.on("PATCH", one, Reply(endpoint))
    gateway.on("DELETE", one, Reply(status=204))
    gateway.on("POST", f"{one}/test", Reply(delivery_document(id="test-7"), status=202))
    gateway.on("POST", f"{one}/rotate", Reply(with_secret))
    gateway.on("POST", f"{one}/enable", Reply(endpoint))
    gateway.on("POST", f"{one}/replay", Reply(endpoint, status=202))
    log = {"deliveries": [delivery_document()], "next_cursor": None}
    gateway.on("GET", f"{one}/deliveries", Reply(log))
    gateway.on("GET", f"{one}/deliveries/{DELIVERY}", Reply(delivery_document()))
    gateway.on("POST", f"{one}/deliveries/{DELIVERY}/retry", Reply(delivery_document(), status=202))
