"""The list of a bucket: folders, pages, filter, and actions on a selection."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.servers.console import Console, console_on
from tests.servers.console_documents import bucket_document, file_document, serve_file
from tests.servers.fake_gateway import FakeGateway, Reply
from wharf_console.settings import Settings

LIST = "/console/b/docs/"


def listing(*keys: str, prefixes: tuple[str, ...] = (), cursor: str | None = None) -> Reply:
    """Return a page of the API's list."""
    files = [file_document(key) for key in keys]
    return Reply({"files": files, "prefixes": prefixes, "next_cursor": cursor})


def text(page: str) -> str:
    """Return the text of a page without markup."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def asked(console: Console) -> dict[str, Any]:
    """Return the query of the last request for files."""
    return console.gateway.called("GET", "/v1/files/docs")[-1].query


def test_a_page_is_a_hundred_rows_of_one_folder(console: Console) -> None:
    """The list of files asks the API for 100 entries of one folder, with prefix and cursor."""
    browser = console.person()
    browser.get(f"{LIST}?prefix=a/b/&cursor=abc")
    assert asked(console) == {
        "prefix": ["a/b/"],
        "delimiter": ["/"],
        "cursor": ["abc"],
        "limit": ["100"],
    }


def test_folders_and_files_are_shown_by_their_own_names(console: Console) -> None:
    """Folders and files are shown without the part of the name that the address contains."""
    console.gateway.on(
        "GET", "/v1/files/docs", listing("a/b/x.txt", prefixes=("a/b/c/",), cursor="next one")
    )
    page = console.person().get(f"{LIST}?prefix=a/b/").text
    assert '<a class="folder" href="/console/b/docs/?prefix=a/b/c/"><bdi>c/</bdi></a>' in page
    assert "<bdi>x.txt</bdi>" in page
    assert 'href="/console/b/docs/?prefix=a/b/&amp;cursor=next+one" rel="next"' in page
    places = re.findall(r"<li>.*?</li>", page[page.index('class="breadcrumb"') :])[:4]
    assert [text(place).strip() for place in places] == ["Overview", "docs", "a", "b"]
    assert '<a href="/console/b/docs/?prefix=a/">' in places[2]
    assert 'aria-current="page"' in places[3]


def test_a_later_page_leads_back_to_the_first(console: Console) -> None:
    """A later page has a link to the first page, because the API has no cursor backwards."""
    console.gateway.on("GET", "/v1/files/docs", listing("x"))
    browser = console.person()
    assert "First page" not in browser.get(LIST).text
    assert (
        '<a href="/console/b/docs/?prefix=a">First page'
        in browser.get(f"{LIST}?cursor=x&prefix=a").text
    )


def test_a_filter_that_finds_nothing_can_be_taken_back(console: Console) -> None:
    """A filter that finds nothing offers to show all; an empty folder says how to add files."""
    browser = console.person()
    page = browser.get(f"{LIST}?prefix=a/rep").text
    assert "No name begins with that." in page
    assert '<a href="/console/b/docs/?prefix=a/">Show all' in page
    assert "Nothing here yet" in browser.get(LIST).text


def test_names_do_no_harm(console: Console) -> None:
    """Scripts in names of buckets, files and types are shown as text."""
    evil = '"><script>alert(1)</script>\u202e'
    file = file_document(evil, media_type="text/<b>", bucket="docs")
    reply = Reply({"files": [file], "prefixes": [evil + "/"], "next_cursor": None})
    console.gateway.on("GET", "/v1/files/docs", reply)
    console.gateway.on("GET", "/v1/buckets/docs", Reply(bucket_document(name=evil)))
    console.gateway.on("GET", "/v1/buckets", Reply({"buckets": [bucket_document(name=evil)]}))
    browser = console.person(tenant=evil, display_name=evil)
    for path in (LIST, f"{LIST}?prefix={evil}", "/console/"):
        page = browser.get(path).text
        assert "<script>" not in page
        assert "&lt;script&gt;" in page
        assert "text/<b>" not in page
    form = {"key": evil, "back": evil, "cancel": evil}
    for action in ("delete", "move", "links"):
        page = browser.post(f"/console/b/docs/{action}", form).text
        assert "<script>" not in page
        assert "&lt;script&gt;" in page


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 1234, 99_950, 123_456_789, 10**15])
def test_sizes_are_for_people(console: Console, size: int) -> None:
    """A size is shown in powers of ten with at most three digits."""
    shown = {
        0: "0 bytes",
        1: "1 bytes",
        999: "999 bytes",
        1000: "1 kB",
        1234: "1.2 kB",
        99_950: "100 kB",
        123_456_789: "123 MB",
        10**15: "1 PB",
    }
    reply = Reply({"files": [file_document("a", size=size)], "prefixes": [], "next_cursor": None})
    console.gateway.on("GET", "/v1/files/docs", reply)
    page = text(console.person().get(LIST).text.replace("\N{NO-BREAK SPACE}", " "))
    assert f" {shown[size]} " in page


def picture(key: str, **fields: Any) -> dict[str, Any]:
    """Return a file of which a small picture exists."""
    return file_document(key, media_type="image/png", **fields)


def test_pictures_are_shown_small_where_they_may_be(console: Console) -> None:
    """The list shows small pictures of files of any size, if their type has small pictures.

    The browser loads a small picture when the person scrolls to it.
    """
    files = [
        picture("a b/1.png"),
        picture("a b/large.png", size=10**9),
        file_document("a b/x.pdf", media_type="application/pdf"),
        picture("a b/held.png", state="quarantined"),
        picture("a b/empty.png", size=0),
        file_document("a b/x.bmp", media_type="image/bmp"),
        file_document("a b/x.svg", media_type="image/svg+xml"),
        file_document("a b/x.html", media_type="text/html"),
    ]
    reply = Reply({"files": files, "prefixes": ["a b/c/"], "next_cursor": None})
    console.gateway.on("GET", "/v1/files/docs", reply)
    browser = console.person()
    for view, width in (("list", 64), ("grid", 256)):
        browser.post("/console/b/docs/view", {"view": view})
        pictures = re.findall("<img [^>]*>", browser.get(f"{LIST}?prefix=a%20b/").text)
        assert len(pictures) == 3
        assert f'src="/console/b/docs/thumb/a%20b/1.png?w={width}"' in pictures[0]
        assert all(f'width="{width}" height="{width}" loading="lazy"' in one for one in pictures)


def test_a_grid_has_what_stands_for_each_picture(console: Console) -> None:
    """The grid of files shows the kind of each file that has no small picture."""
    files = [picture("1.png"), file_document("x.txt")]
    reply = Reply({"files": files, "prefixes": [], "next_cursor": None})
    console.gateway.on("GET", "/v1/files/docs", reply)
    browser = console.person()
    browser.post("/console/b/docs/view", {"view": "grid"})
    page = browser.get(LIST).text
    assert re.findall(r'<span class="thumb kind([^"]*)" aria-hidden="true">(\w+)<', page) == [
        (" instead with-scripts", "png"),
        ("", "txt"),
    ]


def test_a_small_picture_is_a_link_to_one_of_three_widths(console: Console) -> None:
    """A small picture is a signed link with one of three widths; any other width gets 404."""
    serve_file(console.gateway, "1.png", media_type="image/png")
    browser = console.person("viewer")
    for width in (64, 256, 1024):
        reply = browser.get(f"/console/b/docs/thumb/1.png?w={width}")
        assert (reply.status_code, reply.location) == (303, f"/s/link-to-5?w={width}")
    assert len(console.gateway.called("POST", "/v1/links")) == 3
    for query in ("", "?w=", "?w=65", "?w=x"):
        assert browser.get(f"/console/b/docs/thumb/1.png{query}").status_code == 404
    assert len(console.gateway.called("POST", "/v1/links")) == 3


@pytest.mark.parametrize(
    ("origin", "host", "disposition"),
    [
        ("", "http://localhost", "inline"),
        ("", "https://files.example", "attachment"),
        ("https://content.example", "https://files.example", "inline"),
    ],
)
def test_contents_are_shown_only_apart_from_the_console(
    tmp_path: Path, gateway: FakeGateway, origin: str, host: str, disposition: str
) -> None:
    """The console shows contents only if it has a content origin, or runs on the local machine.
    Otherwise contents are downloaded.
    """
    settings = Settings(
        data=tmp_path / "data",
        console_door=gateway.path,
        content_origin=origin,
        issuer=f"{host}/auth",
    )
    console, shown = console_on(settings, gateway), disposition == "inline"
    file = picture("1.png")
    gateway.on(
        "GET", "/v1/files/docs", Reply({"files": [file], "prefixes": [], "next_cursor": None})
    )
    gateway.on("GET", "/v1/metadata/docs/1.png", Reply(file))
    link = Reply({"url": f"{origin}/s/x", "expires_at": "2026-11-19T10:00:00Z"}, 201)
    gateway.on("POST", "/v1/links", link)
    browser = console.person(base_url=host)
    page = browser.get(LIST)
    assert ("<img " in page.text) is shown
    sources = " ".join(filter(None, ("'self'", origin)))
    assert (f"media-src {sources}; frame-src {sources}" in csp(page)) is shown
    assert ("<img " in browser.get("/console/b/docs/f/1.png").text) is shown
    assert browser.get("/console/b/docs/thumb/1.png?w=64").status_code == (303 if shown else 404)
    opened = browser.get("/console/b/docs/open/1.png")
    assert (opened.status_code, opened.location) == (303, f"{origin}/s/x")
    assert gateway.called("POST", "/v1/links")[-1].json["disposition"] == disposition


def csp(page: Any) -> str:
    """Return the content security policy of a page."""
    return str(page.headers["Content-Security-Policy"])


def test_a_grid_stays_one_until_a_list_is_chosen(console: Console) -> None:
    """The browser remembers the grid or the list; the grid also has names and selection boxes."""
    console.gateway.on("GET", "/v1/files/docs", listing("a/x.txt", prefixes=("a/b/",)))
    browser = console.person("viewer")
    back = f"{LIST}?prefix=a/"
    assert "<table" in browser.get(back).text
    reply = browser.post("/console/b/docs/view", {"view": "grid", "back": back})
    assert (reply.status_code, reply.location) == (303, back)
    page = browser.get(back).text
    assert "<table" not in page
    assert '<ul class="grid" aria-label="Folders and files">' in page
    assert "<bdi>x.txt</bdi>" in page
    assert 'aria-label="Select x.txt"' in page
    browser.post("/console/b/docs/view", {"view": "nonsense", "back": back})
    assert "<table" not in browser.get(back).text
    browser.post("/console/b/docs/view", {"view": "list", "back": back})
    assert "<table" in browser.get(back).text


def test_other_orders_are_of_a_whole_folder(console: Console) -> None:
    """The list sorts up to 1,000 names in another order, and shows them in pages of 100."""
    files = [file_document(f"{number:03}", size=number) for number in range(250)]
    reply = Reply({"files": files, "prefixes": ["z/"], "next_cursor": None})
    console.gateway.on("GET", "/v1/files/docs", reply)
    browser = console.person()
    page = browser.get(f"{LIST}?sort=largest").text
    assert asked(console)["limit"] == ["1000"]
    names = re.findall(r"data-preview><bdi>(\d+)</bdi>", page)
    assert names[:2] == ["249", "248"]
    assert len(names) == 99
    assert page.index("<bdi>z/</bdi>") < page.index("<bdi>249</bdi>")
    assert 'href="/console/b/docs/?sort=largest&amp;cursor=1" rel="next"' in page
    assert '<option value="largest" selected>' in page
    assert "?prefix=z/&amp;sort=largest" in page
    last = browser.get(f"{LIST}?sort=largest&cursor=2").text
    assert re.findall(r"data-preview><bdi>(\d+)</bdi>", last)[-1] == "000"
    assert 'rel="next"' not in last
    assert 'href="/console/b/docs/?sort=largest">First page' in last
    assert "are in this order" not in last


@pytest.mark.parametrize(
    ("order", "first"), [("newest", "b"), ("oldest", "a"), ("largest", "a"), ("smallest", "b")]
)
def test_orders(console: Console, order: str, first: str) -> None:
    """The list of files can be ordered by time and by size, in both directions."""
    files = [
        file_document("a", size=2, created_at="2026-11-01T10:00:00Z"),
        file_document("b", size=1, created_at="2026-11-02T10:00:00Z"),
    ]
    console.gateway.on(
        "GET", "/v1/files/docs", Reply({"files": files, "prefixes": [], "next_cursor": None})
    )
    page = console.person().get(f"{LIST}?sort={order}").text
    assert re.findall("data-preview><bdi>(.)</bdi>", page)[0] == first


def test_an_order_of_a_part_says_so(console: Console) -> None:
    """If a folder has more names than the console sorts, the page says which part is sorted."""
    console.gateway.on("GET", "/v1/files/docs", listing("a", cursor="more"))
    browser = console.person()
    page = browser.get(f"{LIST}?sort=newest&cursor=rubbish").text
    assert "Only the first 1,000 names here are in this order." in page
    assert "are in this order" not in browser.get(f"{LIST}?sort=nonsense").text
    assert asked(console)["limit"] == ["100"]


def test_a_list_hears_of_its_own_files_alone(console: Console) -> None:
    """The list of files has the bucket, the prefix and the address for tokens, for its scripts."""
    page = console.person("viewer").get(f"{LIST}?prefix=a/%22b").text
    for told in (
        'data-live="#files" data-live-of="files"',
        'data-bucket="docs" data-prefix="a/&#34;b"',
        'data-live-token="/console/live-token" data-live-csrf="',
        'href="/console/login?next=',
    ):
        assert told in page
