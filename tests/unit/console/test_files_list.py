"""The list of a bucket: folders, pages, the filter, and what is done with a selection."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.servers.console import Call, Console, Reply, bucket_document, file_document, problem

LIST = "/console/b/docs/"


def listing(*keys: str, prefixes: tuple[str, ...] = (), cursor: str | None = None) -> Reply:
    """A page of the API."""
    files = [file_document(key) for key in keys]
    return Reply({"files": files, "prefixes": prefixes, "next_cursor": cursor})


def text(page: str) -> str:
    """What a page says, without markup."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def asked(console: Console) -> dict[str, Any]:
    """The last query for files."""
    return console.gateway.called("GET", "/v1/files/docs")[-1].query


def test_a_page_is_a_hundred_rows_of_one_folder(console: Console) -> None:
    """Prefix and cursor are passed on; the API rolls up what is deeper."""
    browser = console.person()
    browser.get(f"{LIST}?prefix=a/b/&cursor=abc")
    assert asked(console) == {
        "prefix": ["a/b/"],
        "delimiter": ["/"],
        "cursor": ["abc"],
        "limit": ["100"],
    }


def test_folders_and_files_are_shown_by_their_own_names(console: Console) -> None:
    """What the address says already is left out."""
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
    """Lists of the API have no way back but the beginning."""
    console.gateway.on("GET", "/v1/files/docs", listing("x"))
    browser = console.person()
    assert "First page" not in browser.get(LIST).text
    assert (
        '<a href="/console/b/docs/?prefix=a">First page'
        in browser.get(f"{LIST}?cursor=x&prefix=a").text
    )


def test_a_filter_that_finds_nothing_can_be_taken_back(console: Console) -> None:
    """An empty folder is something else: it says what to do."""
    browser = console.person()
    page = browser.get(f"{LIST}?prefix=a/rep").text
    assert "No name begins with that." in page
    assert '<a href="/console/b/docs/?prefix=a/">Show all' in page
    assert "Nothing here yet" in browser.get(LIST).text


def test_names_do_no_harm(console: Console) -> None:
    """Scripts in names of buckets, files and types are text; directions stay in their name."""
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
    form = {"key": evil, "back": evil}
    assert "<script>" not in browser.post("/console/b/docs/delete", form).text


def test_what_is_selected_is_deleted_after_a_question(console: Console) -> None:
    """The first form changes nothing; the second one deletes and leads back to the list."""
    browser = console.person("editor")
    console.gateway.on("DELETE", "/v1/files/docs/.*", Reply(status=204))
    back = "/console/b/docs/?prefix=a/"
    form = {"key": ["a/1.txt", "a/2.txt"], "back": back}
    question = browser.post("/console/b/docs/delete", form)
    assert question.status_code == 200
    assert "Delete 2 files?" in question.text
    assert "data-dialog" in question.text
    assert not any(call.method == "DELETE" for call in console.gateway.calls)
    done = browser.post("/console/b/docs/delete", {**form, "confirmed": "yes"})
    assert (done.status_code, done.location) == (303, back)
    gone = [call.path for call in console.gateway.calls if call.method == "DELETE"]
    assert gone == ["/v1/files/docs/a/1.txt", "/v1/files/docs/a/2.txt"]
    page = browser.get(back).text
    assert '<p class="message success" role="status">2 files deleted.</p>' in page


def test_what_is_gone_already_is_no_failure(console: Console) -> None:
    """Two people may delete the same file."""
    browser = console.person()
    console.gateway.on(
        "DELETE",
        "/v1/files/docs/.*",
        lambda call: problem(404, "not-found") if "gone" in call.path else Reply(status=204),
    )
    form = {"key": ["gone", "here"], "confirmed": "yes"}
    browser.post("/console/b/docs/delete", form)
    assert "1 file deleted." in browser.get(LIST).text


def test_a_refusal_stops_and_says_what_was_done(console: Console) -> None:
    """The reason is the API's."""
    browser = console.person()

    def delete(call: Call) -> Reply:
        first = call.path.endswith("1")
        return Reply(status=204) if first else problem(403, "forbidden", "It is held.")

    console.gateway.on("DELETE", "/v1/files/docs/.*", delete)
    form = {"key": ["1", "2", "3"], "confirmed": "yes"}
    browser.post("/console/b/docs/delete", form)
    page = browser.get(LIST).text
    assert "1 file deleted." in page
    assert 'role="alert">The rest was not deleted: It is held.</p>' in page
    assert sum(call.method == "DELETE" for call in console.gateway.calls) == 2


def test_nothing_selected_is_told(console: Console) -> None:
    """No page asks whether to delete nothing."""
    browser = console.person()
    assert browser.post("/console/b/docs/delete", {}).status_code == 303
    assert "Select the files first." in browser.get(LIST).text


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 1234, 99_950, 123_456_789, 10**15])
def test_sizes_are_for_people(console: Console, size: int) -> None:
    """Powers of ten, three digits, and the language's separators."""
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
