"""Public buckets, and a separate origin for user content (security.md rows 39, 41, 47)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime

import pytest

from tests.e2e.test_downloads import PNG
from tests.e2e.test_links import link, told
from tests.servers.promised import SHARED_SECONDS, holds
from tests.servers.wharf.api_client import SMALL, Answer, ApiClient
from tests.servers.wharf.instance import Wharf, running
from tests.servers.wharf.raw_http import exchange, until
from tests.servers.wharf.tenants import Signer

CONTENT = "https://files.test"
HOST = {"Host": "files.test"}


def public_bucket(api: ApiClient) -> str:
    """Make a public bucket, and return the path of its files."""
    answer = api.send_json("PUT", "/v1/buckets/shown", {"public": True})
    assert answer.status in (200, 201)
    return f"/public/{api.tenant}/shown/"


def test_a_public_file(api: ApiClient) -> None:
    """Row 39: a public file needs no credential, may be embedded, and may be cached for 2 s."""
    base = public_bucket(api)
    etag = api.stored("a/b%20c.png", PNG, bucket="shown")["etag"]
    anyone = api.using(None)
    for headers in ({}, {"If-Match": etag}):
        answer = anyone.get(f"{base}a/b%20c.png", headers)
        assert (answer.status, answer.body) == (200, PNG)
        assert answer.header("Content-Type") == "image/png"
        assert answer.header("Content-Disposition") == 'inline; filename="b c.png"'
        assert answer.header("Cache-Control") == "public, max-age=2, must-revalidate"
        assert answer.header("Cross-Origin-Resource-Policy") == "cross-origin"
        assert answer.header("X-Content-Type-Options") == "nosniff"
        assert answer.header("ETag") == etag
    assert anyone.get(f"{base}a/b%20c.png", {"If-None-Match": etag}).status == 304
    both = anyone.get(f"{base}a/b%20c.png", {"If-None-Match": etag, "If-Match": "*"})
    assert (both.status, both.header("Cross-Origin-Resource-Policy")) == (304, "cross-origin")
    attached = anyone.get(f"{base}a/b%20c.png?download=x.png")
    assert attached.header("Content-Disposition") == 'attachment; filename="x.png"'
    linked = link(api, "a/b c.png", bucket="shown")
    assert anyone.get(linked).header("Cross-Origin-Resource-Policy") == "cross-origin"


def test_what_is_not_public(api: ApiClient) -> None:
    """A bucket that is not public, or no longer public, gets the same 404 as an absent bucket."""
    api.stored("file", SMALL)
    anyone = api.using(None)
    absent = told(anyone.get("/public/nobody/nothing/file"))
    for client in (api, anyone):
        assert told(client.get(f"/public/{api.tenant}/default/file")) == absent
    base = public_bucket(api)
    api.stored("file", SMALL, bucket="shown")
    assert anyone.get(f"{base}file").status == 200
    api.send_json("PUT", "/v1/buckets/shown", {"public": False})
    assert holds(lambda: anyone.get(f"{base}file").status == 404, SHARED_SECONDS)
    assert told(anyone.get(f"{base}file")) == absent


@pytest.mark.parametrize("rest", ["", "folder", "folder/", "../default/file", "a%2f..%2ffile", "."])
def test_nothing_can_be_listed_or_climbed(api: ApiClient, rest: str) -> None:
    """Rows 43, 48: a public bucket shows files by their keys, and lists no folder."""
    base = public_bucket(api)
    api.stored("folder/inside", bucket="shown")
    api.stored("file")
    answer = api.using(None).get(base + rest)
    assert answer.status in (400, 404)
    assert b"inside" not in answer.body


def test_an_expired_file(api: ApiClient) -> None:
    """A public file gets a 404 from the moment of its expiry."""
    api.send_json("PUT", "/v1/buckets/shown", {"public": True, "expire_after_seconds": 2})
    expires_at = api.stored("file", bucket="shown")["expires_at"]
    target = f"/public/{api.tenant}/shown/file"
    end = datetime.fromisoformat(expires_at)
    seen: list[Answer] = []

    def over() -> bool:
        seen.append(api.get(target))
        return seen[-1].status == 404

    assert until(over)
    for answer in seen[:-1]:
        assert answer.status == 200
        assert parsedate_to_datetime(answer.header("Date")) < end


@pytest.fixture(scope="module")
def apart() -> Iterator[Wharf]:
    """Start a Wharf with a separate origin for user content."""
    with running(WHARF_CONTENT_ORIGIN=CONTENT, WHARF_HOSTS="main.test") as found:
        yield found


def test_the_content_origin(apart: Wharf) -> None:
    """Row 41: the content origin serves only links and public files; the main origin redirects."""
    api = Signer(apart).client()
    anyone = api.using(None)
    base = public_bucket(api)
    api.stored("file", SMALL, bucket="shown")
    url = link(api, "file", bucket="shown")
    assert url.startswith(f"{CONTENT}/s/")
    for target in (url.removeprefix(CONTENT), f"{base}file", f"{base}file?download=x"):
        answer = anyone.get(target, HOST)
        assert (answer.status, answer.body) == (200, SMALL)
        assert answer.header("Cross-Origin-Resource-Policy") == "cross-origin"
        assert anyone.get(target, {**HOST, "If-Match": "*"}).status == 200
        moved = anyone.get(target, {"Host": "main.test"})
        assert (moved.status, moved.header("Location")) == (308, CONTENT + target)
        assert SMALL not in moved.body
    for target in (
        *("/v1/files/shown/file", "/v1/links", "/v1/usage", "/healthz", "/openapi.json", "/"),
        *("/auth/oauth/token", "/.well-known/jwks.json", "/problems/no-such", "/metrics"),
        *("/_direct", "/_share", "/_blobs/x", "/u/ticket"),
    ):
        # `exchange` and not the API client sends this request: the API client compares responses
        # with the documents, which describe the main origin.
        fields = ("Host: files.test", f"Authorization: Bearer {api.token}", "Connection: close")
        lines = (f"GET {target} HTTP/1.1", *fields, "", "")
        (refused,) = exchange(apart.port, "\r\n".join(lines).encode())
        assert (refused.status, refused.slug) == (404, "not-found"), target
    assert api.file("file", bucket="shown").body == SMALL
    # Each origin serves the pages to which its refusals link.
    for host in ("files.test", "main.test", "elsewhere.test"):
        meaning = anyone.get("/problems/not-found", {"Host": host})
        assert (meaning.status, meaning.header("Content-Type")) == (200, "text/html")
