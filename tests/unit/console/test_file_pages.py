"""The page of a file: its facts, its preview and its links."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.servers.console import Console
from tests.servers.console_documents import bucket_document, serve_file
from tests.servers.fake_gateway import Call, Reply, problem
from wharf_console.web.targets import below_console

PAGE = "/console/b/docs/f/a.txt"
EVIL = '"><script>alert(1)</script>\u202e'


def facts(page: str) -> dict[str, str]:
    """Return the facts that the page lists, by their labels."""
    pairs = re.findall(r"<dt>(.*?)</dt>\s*<dd>(.*?)</dd>", page, re.DOTALL)
    return {
        re.sub("<[^>]+>", "", name): re.sub(r"\s+", " ", re.sub("<[^>]+>", "", value)).strip()
        for name, value in pairs
    }


def test_a_page_says_what_is_known(console: Console) -> None:
    """The page of a file shows type, size, times, digest, address, download name and metadata."""
    serve_file(
        console.gateway,
        "a/b.txt",
        size=1234567,
        declared_type="text/x-log",
        filename="report.txt",
        expires_at="2026-12-24T18:00:00Z",
        metadata={"project": "dam"},
    )
    page = console.person().get("/console/b/docs/f/a/b.txt").text
    found = facts(page.replace("\N{NO-BREAK SPACE}", " ").replace("\N{NARROW NO-BREAK SPACE}", " "))
    assert found["Type"] == "text/plain (the sender says text/x-log)"
    assert found["Size"] == "1.2 MB (1,234,567 bytes)"
    assert found["Expires"].startswith("Dec 24, 2026")
    assert found["Address"] == "docs/a/b.txt"
    assert found["Name of the download"] == "report.txt"
    assert found["SHA-256"] == "0" * 64
    assert found["project"] == "dam"
    assert "For everybody" not in found
    assert '<a href="/console/b/docs/?prefix=a/"><bdi>a</bdi></a>' in page
    assert "<h1><bdi>b.txt</bdi></h1>" in page


@pytest.mark.parametrize(
    ("media_type", "tag"),
    [
        ("image/png", "<img "),
        ("video/mp4", "<video "),
        ("audio/mpeg", "<audio "),
        ("text/plain", "<iframe "),
        ("text/html", ""),
        ("image/svg+xml", ""),
        ("application/json", ""),
    ],
)
def test_only_harmless_types_have_a_preview(console: Console, media_type: str, tag: str) -> None:
    """Only harmless types have a preview; for others the page offers the download."""
    serve_file(console.gateway, media_type=media_type)
    page = console.person().get(PAGE).text
    shown = re.findall("<(?:img|video|audio|iframe|object|embed) ", page)
    assert shown == ([tag] if tag else [])
    assert ("There is no preview" in page) is (not tag)
    assert (">Open</a>" in page) is bool(tag)
    assert 'href="/console/b/docs/open/a.txt?download=1">Download' in page
    if tag:
        assert re.search(rf'{tag}[^>]*src="/console/b/docs/open/a.txt', page)
    if tag == "<iframe ":
        assert 'sandbox=""' in page


SMALL = '<img src="/console/b/docs/thumb/a.txt?w=1024"'


@pytest.mark.parametrize(
    ("media_type", "size", "small", "instead"),
    [
        ("image/jpeg", 1_000_000, False, False),
        ("image/jpeg", 1_000_001, True, True),
        ("image/webp", 50_000_001, True, False),
        # A small picture of an animation would not move.
        ("image/gif", 9_000_000, False, False),
        # Browsers show this type, and the service makes no small pictures of it.
        ("image/bmp", 9_000_000, False, False),
        ("application/pdf", 1000, True, False),
    ],
)
def test_what_is_shown_small(
    console: Console, media_type: str, size: int, *, small: bool, instead: bool
) -> None:
    """A picture that is large, or that browsers cannot show, has a small picture as its preview.

    If no small picture is possible, the page shows the file, or says that there is no preview.
    """
    serve_file(console.gateway, media_type=media_type, size=size)
    page = console.person().get(PAGE).text
    assert (SMALL in page) is small
    assert ('data-thumb data-instead="/console/b/docs/open/a.txt"' in page) is instead
    assert ("There is no preview of this file." in page) is small
    assert ("<img " in page) is (small or media_type != "application/pdf")


@pytest.mark.parametrize("fields", [{"size": 0}, {"size": 10**9}, {"state": "quarantined"}])
@pytest.mark.parametrize("media_type", ["image/bmp", "text/plain"])
def test_what_is_too_large_or_held_is_not_shown(
    console: Console, fields: dict[str, Any], media_type: str
) -> None:
    """The page of an empty, very large or quarantined file shows no preview."""
    serve_file(console.gateway, media_type=media_type, **fields)
    page = console.person().get(PAGE).text
    assert "<iframe" not in page
    assert "<img" not in page
    assert (">Download</a>" in page) is ("state" not in fields)


def test_a_preview_is_a_signed_link_of_a_minute(console: Console) -> None:
    """A preview is a redirect to a link of a minute, for any query; no page contains the link."""
    serve_file(console.gateway, media_type="image/png")
    browser = console.person("viewer")
    assert "/s/" not in browser.get(PAGE).text
    for query, seconds, disposition in (
        ("", 60, "inline"),
        ("?play=1", 60, "inline"),
        ("?download=1", 60, "attachment"),
    ):
        reply = browser.get(f"/console/b/docs/open/a.txt{query}")
        assert (reply.status_code, reply.location) == (303, "/s/link-to-5")
        assert reply.headers["Cache-Control"] == "no-store"
        assert reply.headers["Referrer-Policy"] == "no-referrer"
        assert console.gateway.called("POST", "/v1/links")[-1].json == {
            "bucket": "docs",
            "key": "a.txt",
            "expires_in": seconds,
            "disposition": disposition,
            "listed": False,
        }


@pytest.mark.parametrize(
    ("media_type", "size", "seconds"),
    [
        ("audio/mpeg", 5_000_000, 300 + 2500),
        ("video/mp4", 100_000_000, 300 + 4000),
        ("video/mp4", 10**12, 6 * 3600),
        ("text/plain", 5_000, 60),
    ],
)
def test_a_link_that_plays_lives_as_long_as_it_may_play(
    console: Console, media_type: str, size: int, seconds: int
) -> None:
    """A link for a player is valid longer if the file is larger; a link for a download, one minute.

    A player requests one part of the file after another while it plays.
    """
    serve_file(console.gateway, media_type=media_type, size=size)
    browser = console.person("viewer")
    for query, wanted in (("", seconds), ("?download=1", 60)):
        browser.get(f"/console/b/docs/open/a.txt{query}")
        [*_, call] = console.gateway.called("POST", "/v1/links")
        assert call.json["expires_in"] == wanted
        # The API lists every link that lives more than five minutes.
        assert call.json.get("listed", True) is (wanted > 300)


def test_a_release_before_is_asked_for_a_link_that_it_can_make(console: Console) -> None:
    """A preview works with an API of an earlier release, which does not know `listed`."""
    serve_file(console.gateway, media_type="image/png")
    browser = console.person("viewer")

    def answer(call: Call) -> Reply:
        if "listed" in call.json:
            return problem(422, "unprocessable", "Object contains unknown field `listed`")
        return Reply({"url": "/s/x", "expires_at": "2026-11-19T10:00:00Z"}, 201)

    console.gateway.on("POST", "/v1/links", answer)
    assert browser.get("/console/b/docs/open/a.txt").location == "/s/x"
    console.gateway.on("POST", "/v1/links", problem(503, "unavailable", retry_after=3))
    assert browser.get("/console/b/docs/open/a.txt").status_code == 503


def test_a_page_of_a_public_file_has_the_address_for_everybody(console: Console) -> None:
    """The page of a file in a public bucket has the full, encoded public address."""
    serve_file(console.gateway, "a b/ü?.txt")
    console.gateway.on("GET", "/v1/buckets/docs", Reply(bucket_document(public=True)))
    page = console.person(base_url="http://localhost:8080").get("/console/b/docs/f/a%20b/ü%3F.txt")
    assert 'value="http://localhost:8080/public/acme/docs/a%20b/%C3%BC%3F.txt"' in page.text


@pytest.mark.parametrize("key", ["a?b", "a#b", "100%", "a%20b", "ü/☃ x", "a&b=c", "a;b", "+"])
def test_any_name_has_its_page(console: Console, key: str) -> None:
    """A file of any name has a page, and every encoded link to the page leads to it."""
    serve_file(console.gateway, key)
    browser = console.person()
    [address] = re.findall('<a href="([^"]+)" data-preview>', browser.get("/console/b/docs/").text)
    page = browser.get(address)
    assert page.status_code == 200
    # The address to which a form or a login returns
    [here] = re.findall('name="cancel" value="([^"]+)"', page.text)
    assert here == address
    assert below_console(here) == here
    assert browser.get(here).status_code == 200
    visitor = console.visitor().get(address)
    assert visitor.status_code == 303


def test_a_file_that_is_gone_leads_to_its_folder(console: Console) -> None:
    """Each page of a deleted file gets 404 with a link to the folder."""
    browser = console.person()
    for place in ("f", "open", "rename", "describe", "replace"):
        page = browser.get(f"/console/b/docs/{place}/a/b/gone.txt")
        assert page.status_code == 404, place
        assert '<a href="/console/b/docs/?prefix=a/b/">One level up' in page.text


def test_planted_scripts_are_text(console: Console) -> None:
    """Scripts in a file's names, folders, type and metadata are shown as text."""
    serve_file(
        console.gateway,
        f"{EVIL}/{EVIL}",
        filename=EVIL,
        media_type="image/png",
        declared_type=f"text/{EVIL}",
        metadata={EVIL: EVIL},
        state=EVIL,
    )
    browser = console.person(display_name=EVIL)
    for place in ("f", "rename", "describe", "replace"):
        page = browser.get(f"/console/b/docs/{place}/{EVIL}/{EVIL}")
        assert page.status_code == 200
        assert "<script>" not in page.text
        assert "&lt;script&gt;" in page.text
    assert browser.get(f"/console/b/docs/f/{EVIL}/{EVIL}").text.count("<bdi>") >= 6


def test_a_replacement_goes_to_the_upload_service_by_a_ticket(console: Console) -> None:
    """A replacement uses a ticket for one file with the same key, and leads back to its page."""
    serve_file(console.gateway, "a b/c.txt")
    page = console.person("editor").get("/console/b/docs/replace/a%20b/c.txt").text
    call = console.gateway.called("POST", "/auth/oauth/token")[-1]
    ticket = call.form["ticket"][0]
    assert '"bucket":"docs","key":"a b/c.txt","max_files":1' in ticket
    way_back = "http://localhost/console/b/docs/f/a%20b/c.txt?replaced=1"
    assert f'"redirect":["{way_back}"]' in ticket
    assert call.form["expires_in"] == ["900"]
    assert re.search('<form method="post" action="/u/access-[0-9]+" enctype="multipart', page)
    assert page.index(f'name="redirect" value="{way_back}"') < page.index('type="file"')


def test_a_long_name_leads_back_to_the_list(console: Console) -> None:
    """The replacement of a file with a long name returns to the list, because auth limits the
    length of addresses.
    """
    key = "☃" * 300
    serve_file(console.gateway, key)
    page = console.person().get(f"/console/b/docs/replace/{key}").text
    assert 'name="redirect" value="http://localhost/console/b/docs/"' in page


def test_a_replaced_file_is_told(console: Console) -> None:
    """The page of a file says after a replacement that the file is replaced.

    It does not say so when another site links to the page.
    """
    serve_file(console.gateway)
    browser = console.person()
    assert "The content is replaced." in browser.get(f"{PAGE}?replaced=1").text
    for site, is_told in (("same-origin", True), ("cross-site", False), ("same-site", False)):
        page = browser.get(f"{PAGE}?replaced=1", headers={"Sec-Fetch-Site": site}).text
        assert ("The content is replaced." in page) is is_told
