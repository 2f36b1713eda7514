"""The first page: buckets, usage and quota, recent events, and first steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.servers.console import Console, console_on
from tests.servers.console_documents import bucket_document, file_document
from tests.servers.fake_gateway import FakeGateway, Reply
from wharf_console.settings import Settings


def usage(used: int, files: int, **allowed: Any) -> Reply:
    """Return the response of the API for the usage."""
    return Reply({"bytes": used, "files": files, "allowed": allowed})


def plain(page: str) -> str:
    """Return the page with ordinary spaces in place of no-break spaces."""
    return page.replace("\N{NO-BREAK SPACE}", " ")


def test_usage_is_shown_against_the_quota(console: Console) -> None:
    """Usage with a limit is shown as a meter, and without a limit as a number."""
    console.gateway.on("GET", "/v1/usage", usage(250_000, 1234, max_bytes=1_000_000))
    page = plain(console.person().get("/console/").text)
    assert "Storage: 250 kB of 1 MB" in page
    assert '<progress value="250000" max="1000000" aria-label="Storage">' in page
    assert "Files: 1,234<" in page
    assert page.count("<progress") == 1


def test_a_meter_does_not_run_over(console: Console) -> None:
    """A meter of the usage stays at its maximum when the limit is below the usage."""
    console.gateway.on("GET", "/v1/usage", usage(2000, 1, max_bytes=1000, max_files=0))
    page = console.person().get("/console/").text
    assert '<progress value="1000" max="1000"' in page


def test_a_new_tenant_sees_what_to_do_first(console: Console) -> None:
    """If the tenant has no files, the page has first steps for the person's role. If the tenant
    has files, the page has no first steps.
    """
    console.gateway.on("GET", "/v1/buckets", Reply({"buckets": []}))
    owner = console.person("owner").get("/console/").text
    assert "First steps" in owner
    assert "Make a bucket" in owner
    viewer = console.person("viewer").get("/console/").text
    assert "Ask an owner of your tenant for a bucket." in viewer
    assert "Upload a file" not in viewer
    console.gateway.on("GET", "/v1/usage", usage(1, 1))
    assert "First steps" not in console.person().get("/console/").text


@pytest.mark.parametrize(
    ("kind", "words"),
    [("file.created", "Uploaded"), ("file.expired", "Expired"), ("file.frozen", "file.frozen")],
)
def test_the_last_events_come_first(console: Console, kind: str, words: str) -> None:
    """Recent events are shown newest first; an event of unknown kind has the kind's own name."""
    file = None if kind == "file.frozen" else file_document("a.txt")
    event = {"id": 7, "kind": kind, "at": "2026-11-18T10:00:00Z", "file": file, "quota": None}
    console.gateway.on("GET", "/v1/events", Reply({"events": [event], "next_after": 7}))
    page = console.person().get("/console/").text
    assert f">{words}<" in page
    [call] = console.gateway.called("GET", "/v1/events")
    assert call.query == {"order": ["newest"], "limit": ["8"]}


def test_a_warning_of_the_quota_has_its_number(console: Console) -> None:
    """A quota warning, which concerns no file, is shown with its percentage."""
    event = {
        "id": 7,
        "kind": "quota.warning",
        "at": "2026-11-18T10:00:00Z",
        "file": None,
        "quota": {"percent": 91},
    }
    console.gateway.on("GET", "/v1/events", Reply({"events": [event], "next_after": 7}))
    assert "91 % of it" in plain(console.person().get("/console/").text)


def test_a_public_bucket_is_marked(console: Console) -> None:
    """A public bucket is marked in the list."""
    documents = [bucket_document(public=True, max_file_bytes=5_000_000)]
    console.gateway.on("GET", "/v1/buckets", Reply({"buckets": documents}))
    page = plain(console.person().get("/console/").text)
    assert "Everybody" in page
    assert "5 MB" in page


def test_owners_are_warned_where_contents_have_no_origin_of_their_own(
    tmp_path: Path, gateway: FakeGateway
) -> None:
    """Owners are warned when contents have no separate origin, except on loopback."""
    https = Settings(
        data=tmp_path / "a", console_door=gateway.path, issuer="https://files.example/auth"
    )
    apart = Settings(
        data=tmp_path / "b",
        console_door=gateway.path,
        issuer="https://files.example/auth",
        content_origin="https://content.example",
    )
    assert "WHARF_CONTENT_ORIGIN" in overview(console_on(https, gateway), "owner")
    assert "WHARF_CONTENT_ORIGIN" not in overview(console_on(https, gateway), "editor")
    assert "WHARF_CONTENT_ORIGIN" not in overview(console_on(apart, gateway), "owner")


def overview(console: Console, role: str) -> str:
    """Return the first page, requested over HTTPS."""
    return console.person(role, base_url="https://files.example").get("/console/").text


def test_many_buckets_have_pages(console: Console) -> None:
    """The list of buckets has pages, so the first page costs the same for any number of buckets."""
    documents = [bucket_document("docs")]
    console.gateway.on("GET", "/v1/buckets", Reply({"buckets": documents, "next_cursor": "docs"}))
    browser = console.person()
    first = browser.get("/console/").text
    assert '<a href="/console/?cursor=docs" rel="next">' in first
    assert "First page" not in first
    assert "First page" in browser.get("/console/?cursor=docs").text
    queries = [call.query for call in console.gateway.called("GET", "/v1/buckets")]
    assert queries == [{"limit": ["100"]}, {"limit": ["100"], "cursor": ["docs"]}]


def test_a_move_says_where_the_file_was(console: Console) -> None:
    """The event of a move shows the old place of the file, as text."""
    event = {
        "id": 7,
        "kind": "file.moved",
        "at": "2026-11-18T10:00:00Z",
        "file": file_document("new"),
        "quota": None,
        "moved_from": {"bucket": "docs", "key": "<old>"},
    }
    console.gateway.on("GET", "/v1/events", Reply({"events": [event], "next_after": 7}))
    page = console.person().get("/console/").text
    assert ">Moved<" in page
    assert "(from <bdi>docs/&lt;old&gt;</bdi>)" in page


def test_the_tenant_is_called_by_its_name(console: Console) -> None:
    """A page shows the tenant's display name if auth returns it, and otherwise the tenant's id."""
    assert "<bdi>acme</bdi>" in console.person().get("/console/").text
    page = console.person(tenant_display_name="Acme <Inc>").get("/console/").text
    assert "<bdi>Acme &lt;Inc&gt;</bdi>" in page
