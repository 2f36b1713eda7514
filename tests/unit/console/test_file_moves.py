"""Moves of files to other folders and buckets, renaming, and refusals."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest

from tests.servers.console import Browser, Console
from tests.servers.console_documents import bucket_document, serve_file
from tests.servers.console_files import TO_X, changes, moved
from tests.servers.fake_gateway import Call, Reply, problem

LIST = "/console/b/docs/"


def move_as(console: Console, answer: Any) -> None:
    """Set the API's response to a move."""
    console.gateway.on("POST", "/v1/copies", answer)


def two_buckets(console: Console) -> Browser:
    """Return an editor's browser; the tenant has two buckets."""
    listed = {"buckets": [bucket_document(), bucket_document("archive")], "next_cursor": None}
    console.gateway.on("GET", "/v1/buckets", Reply(listed))
    return console.person("editor")


def test_buckets_of_all_pages_are_choices(console: Console) -> None:
    """The form for a move offers the buckets of all pages of the API."""
    documents = {"": bucket_document(), "docs": bucket_document("archive")}

    def page(call: Call) -> Reply:
        cursor = call.query.get("cursor", [""])[0]
        following = None if cursor else "docs"
        return Reply({"buckets": [documents[cursor]], "next_cursor": following})

    console.gateway.on("GET", "/v1/buckets", page)
    shown = console.person("editor").post("/console/b/docs/move", {"key": ["a"], "back": LIST}).text
    assert '<option value="archive">archive</option>' in shown


def test_what_is_selected_is_moved_after_a_form(console: Console) -> None:
    """The form for a move offers buckets and the current folder; moved files keep their names."""
    browser = two_buckets(console)
    move_as(console, moved)
    form = {"key": ["a/1.txt", "a/2.txt"], "back": f"{LIST}?prefix=a/"}
    page = browser.post("/console/b/docs/move", form).text
    assert "data-dialog" in page
    assert '<option value="archive">archive</option>' in page
    assert '<option selected value="docs">docs</option>' in page
    assert re.search(r'<input[^>]*name="to_folder"[^>]*value="a/"', page)
    assert changes(console) == []
    chosen = {"confirmed": "yes", "to_bucket": "archive", "to_folder": " /2026/q1 "}
    chosen["on_conflict"] = "rename"
    done = browser.post("/console/b/docs/move", {**form, **chosen})
    assert (done.status_code, done.location) == (303, "/console/b/archive/?prefix=2026/q1/")
    assert [call.json for call in console.gateway.called("POST", "/v1/copies")] == [
        {
            "from": {"bucket": "docs", "key": f"a/{number}.txt"},
            "to": {"bucket": "archive", "key": f"2026/q1/{number}.txt"},
            "on_conflict": "rename",
            "move": True,
        }
        for number in (1, 2)
    ]
    assert "2 files moved." in browser.get(LIST).text


def test_a_move_that_is_refused_comes_back_with_what_was_typed(console: Console) -> None:
    """A refused move shows the API's reason and status, and the form keeps its input."""
    browser = two_buckets(console)
    move_as(console, problem(409, "key-taken", "There is a file at x/a.txt."))
    form = {"key": "a.txt", "confirmed": "yes", "to_bucket": "archive", "to_folder": "x"}
    page = browser.post("/console/b/docs/move", {**form, "on_conflict": "error"})
    assert page.status_code == 409
    assert 'role="alert">There is a file at x/a.txt.</p>' in page.text
    assert '<option selected value="archive">' in page.text
    assert re.search(r'name="to_folder"[^>]*value="x"', page.text)


def test_a_choice_that_is_none_moves_nothing(console: Console) -> None:
    """A move with an impossible choice is refused without a call of the API."""
    browser = two_buckets(console)
    form = {"key": "a.txt", "confirmed": "yes", "to_bucket": "docs", "on_conflict": "explode"}
    page = browser.post("/console/b/docs/move", form)
    assert page.status_code == 422
    assert changes(console) == []


def test_a_move_that_stops_says_how_far_it_came(console: Console) -> None:
    """If a move stops, the files that were moved stay moved, and the page gives the reason."""
    browser = two_buckets(console)
    taken = problem(409, "key-taken", "There is a file of this name.")
    move_as(console, lambda call: taken if "2" in call.json["to"]["key"] else moved(call))
    form = {"key": ["1", "2", "3"], **TO_X}
    done = browser.post("/console/b/docs/move", form)
    assert done.location == "/console/b/docs/?prefix=x/"
    page = browser.get(LIST).text
    assert "1 file moved." in page
    assert "The rest was not moved: There is a file of this name." in page
    assert len(changes(console)) == 2


def test_a_move_of_what_is_gone_says_so(console: Console) -> None:
    """A move of deleted files, or to a deleted bucket, says that nothing was moved."""
    browser = two_buckets(console)
    form = {"key": ["1", "2"], **TO_X, "to_bucket": "archive", "back": LIST}
    assert browser.post("/console/b/docs/move", form).location == LIST
    assert "Nothing was moved" in browser.get(LIST).text


def test_a_file_is_renamed_in_its_folder(console: Console) -> None:
    """The form for a new name contains the old name, and redirects to the page of the new name."""
    file = serve_file(console.gateway, "a/b.txt")
    move_as(console, moved)
    browser = console.person("editor")
    page = browser.get("/console/b/docs/rename/a/b.txt").text
    assert "data-dialog" in page
    assert re.search(r'name="name"[^>]*value="b.txt"', page)
    version = hidden_field(page, "version")
    assert version.startswith(file["etag"])
    form = {"name": " c d.txt", "version": version}
    done = browser.post("/console/b/docs/rename/a/b.txt", form)
    assert (done.status_code, done.location) == (303, "/console/b/docs/f/a/c%20d.txt")
    [call] = console.gateway.called("POST", "/v1/copies")
    assert call.json == {
        "from": {"bucket": "docs", "key": "a/b.txt"},
        "to": {"bucket": "docs", "key": "a/c d.txt"},
        "on_conflict": "error",
        "move": True,
    }
    assert call.fields["if-match"] == file["etag"]


def hidden_field(page: str, name: str) -> str:
    """Return the value of a hidden field of WTForms."""
    found = re.search(rf'<input id="{name}" name="{name}" type="hidden" value="([^"]*)"', page)
    assert found, page
    return html.unescape(found[1])


def test_a_rename_to_the_same_name_changes_nothing(console: Console) -> None:
    """Renaming a file to its own name makes no call of the API."""
    serve_file(console.gateway, "a/b.txt")
    browser = console.person()
    done = browser.post("/console/b/docs/rename/a/b.txt", {"name": "b.txt"})
    assert (done.status_code, done.location) == (303, "/console/b/docs/f/a/b.txt")
    assert changes(console) == []


@pytest.mark.parametrize(
    ("status", "slug"),
    [
        (400, "invalid-key"),
        (409, "key-taken"),
        (415, "extension-not-allowed"),
        (422, "unprocessable"),
    ],
)
def test_a_name_that_is_refused_is_wrong_at_its_field(
    console: Console, status: int, slug: str
) -> None:
    """A refused name is explained at its field, and the input stays."""
    serve_file(console.gateway)
    move_as(console, problem(status, slug, "Not this name."))
    page = console.person().post("/console/b/docs/rename/a.txt", {"name": "x/../y"})
    assert page.status_code == status
    assert re.search(r'name="name"[^>]*value="x/../y"', page.text)
    assert 'class="error">Not this name.</small>' in page.text


def test_an_empty_name_is_not_sent(console: Console) -> None:
    """The form for a new name refuses an empty name without a call of the API."""
    page = console.person().post("/console/b/docs/rename/a.txt", {"name": " "})
    assert page.status_code == 422
    assert "Enter a name." in page.text
    assert changes(console) == []


def test_a_full_tenant_is_told_how_full(console: Console) -> None:
    """A move that exceeds the quota gets a page with the tenant's use and limits."""
    members = {"used_bytes": 900, "limit_bytes": 1000, "used_files": 3, "limit_files": 3}
    move_as(console, problem(507, "tenant-quota-exceeded", "x", **members))
    form = {"key": "a.txt", **TO_X}
    page = two_buckets(console).post("/console/b/docs/move", form)
    assert page.status_code == 507
    assert "900 bytes of" in page.text
