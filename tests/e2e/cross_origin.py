"""An origin that a bucket lists, and a check of responses to it and to other origins."""

from __future__ import annotations

from email.message import Message

from tests.servers.wharf.api_client import ApiClient

GOOD = "https://app.example"
EVIL = [
    "https://evil.example",
    "null",
    "https://app.example.evil.example",
    "https://evilapp.example",
    "https://app.example:8443",
    "http://app.example",
    "HTTPS://APP.EXAMPLE",
    "https://APP.example",
    "https://app.example/",
    "https://app.exampl",
    "https://app+example",
    "https://app.example, https://evil.example",
    "*",
    "app.example",
]
BUCKET = "cross-origin"


def check(answer_headers: Message, origin: str) -> None:
    """Check that only a page of the listed origin may read the response."""
    allowed = answer_headers.get_all("Access-Control-Allow-Origin")
    assert allowed == ([GOOD] if origin == GOOD else None), (origin, str(answer_headers))
    assert answer_headers["Access-Control-Allow-Credentials"] is None
    varies = ", ".join(answer_headers.get_all("Vary") or [])
    assert "Origin" in varies.split(", ")


def bucket_of(client: ApiClient, name: str = BUCKET, **policy: object) -> ApiClient:
    """Make a bucket that lists one origin, and return the client."""
    listed = {"cors_origins": [GOOD], **policy}
    answer = client.send_json("PUT", f"/v1/buckets/{name}", listed)
    assert answer.status in (200, 201), answer.body
    return client
