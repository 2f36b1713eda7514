"""What is done with files: deleted, moved, renamed; one or several, and where it is refused."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest

from tests.servers.console import (
    Browser,
    Call,
    Console,
    Reply,
    bucket_document,
    file_document,
    problem,
    serve_file,
)

LIST = "/console/b/docs/"
TO_X = {"confirmed": "yes", "to_bucket": "docs", "to_folder": "x", "on_conflict": "error"}
SEEN = '"old" 17 2026-11-18T09:00:00+00:00'


def changes(console: Console) -> list[tuple[str, str]]:
    """Method and path of each change that the API was asked for."""
    return [
        (call.method, call.path)
        for call in console.gateway.calls
        if call.method != "GET" and call.path.startswith("/v1/")
    ]


def move_as(console: Console, answer: Any) -> None:
    """Say what a move is answered."""
    console.gateway.on("POST", "/v1/copies", answer)


def moved(call: Call) -> Reply:
    """The answer to a move: the file at its new address."""
    to = call.json["to"]
    return Reply(file_document(to["key"], bucket=to["bucket"]), 201)


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


def test_a_single_file_is_deleted_as_it_was_seen(console: Console) -> None:
    """The question leads back to the file; the answer names its version."""
    browser = console.person("editor")
    console.gateway.on("DELETE", "/v1/files/docs/a.txt", Reply(status=204))
    page = "/console/b/docs/f/a.txt"
    form = {"key": "a.txt", "version": SEEN, "back": LIST, "cancel": page}
    question = browser.post("/console/b/docs/delete", form).text
    assert f'<a href="{page}" data-close>' in question
    assert 'name="version" value="&#34;old&#34; 17 2026-11-18T09:00:00+00:00"' in question
    done = browser.post("/console/b/docs/delete", {**form, "confirmed": "yes"})
    assert (done.status_code, done.location) == (303, LIST)
    [call] = console.gateway.called("DELETE", "/v1/files/docs/a.txt")
    assert call.fields["if-match"] == '"old"'


def test_what_is_gone_before_it_is_deleted_is_told(console: Console) -> None:
    """Nobody is left without an answer."""
    browser = console.person()
    browser.post("/console/b/docs/delete", {"key": "gone", "confirmed": "yes"})
    assert "There was nothing left to delete." in browser.get(LIST).text


@pytest.mark.parametrize(
    ("action", "form"),
    [
        ("delete", {"key": "a.txt", "confirmed": "yes"}),
        ("move", {"key": "a.txt", **TO_X}),
        ("rename/a.txt", {"name": "b.txt"}),
    ],
)
def test_a_file_that_was_replaced_meanwhile_stays(
    console: Console, action: str, form: dict[str, str]
) -> None:
    """Both versions are shown, and the same may be asked again for the one that is there."""
    serve_file(console.gateway, size=2_000_000, etag='"new"', sha256="f" * 64)
    refusal = problem(412, "precondition-failed")
    for method, path in (("DELETE", "/v1/files/docs/a.txt"), ("POST", "/v1/copies")):
        console.gateway.on(
            method,
            path,
            lambda call: refusal if call.fields["if-match"] == '"old"' else moved_or(call),
        )
    browser = console.person()
    page = browser.post(f"/console/b/docs/{action}", {**form, "version": SEEN})
    assert page.status_code == 412
    assert "Somebody has replaced <bdi>a.txt</bdi>" in page.text
    assert "17 bytes" in page.text
    assert "2\N{NO-BREAK SPACE}MB" in page.text
    assert "f" * 64 in page.text
    again = hidden(page.text)
    assert again.items() >= form.items()
    assert again["version"].startswith('"new" ')
    assert browser.post(f"/console/b/docs/{action}", again).status_code == 303


def moved_or(call: Call) -> Reply:
    """The answer to a move, or to a deletion."""
    return moved(call) if call.method == "POST" else Reply(status=204)


def hidden(page: str) -> dict[str, str]:
    """The hidden fields of the last form in the main part of a page."""
    form = page[page.index("<main") : page.index("</main>")].rpartition("<form")[2]
    pairs = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form)
    return {name: html.unescape(value) for name, value in pairs if name != "csrf_token"}


def test_a_file_that_was_deleted_meanwhile_is_gone(console: Console) -> None:
    """Where a conflict has nothing to show, the page leads to the folder."""
    console.gateway.on("DELETE", "/v1/files/docs/a/b.txt", problem(412, "precondition-failed"))
    browser = console.person()
    form = {"key": "a/b.txt", "confirmed": "yes", "version": SEEN}
    page = browser.post("/console/b/docs/delete", form)
    assert page.status_code == 404
    assert '<a href="/console/b/docs/">One level up' in page.text


@pytest.mark.parametrize("version", ["", "x", '"a" b c', '"a" 1 yesterday', '"\n" 1 2026-11-18'])
def test_a_broken_version_is_none(console: Console, version: str) -> None:
    """The change is made unconditionally, as with a selection in a list."""
    console.gateway.on("DELETE", "/v1/files/docs/a.txt", Reply(status=204))
    browser = console.person()
    form = {"key": "a.txt", "confirmed": "yes", "version": version}
    assert browser.post("/console/b/docs/delete", form).status_code == 303
    assert "if-match" not in console.gateway.called("DELETE", "/v1/files/docs/a.txt")[0].fields


def two_buckets(console: Console) -> Browser:
    """An editor, where there are two buckets."""
    listed = {"buckets": [bucket_document(), bucket_document("archive")], "next_cursor": None}
    console.gateway.on("GET", "/v1/buckets", Reply(listed))
    return console.person("editor")


def test_what_is_selected_is_moved_after_a_form(console: Console) -> None:
    """The form knows the buckets and the folder; then each file keeps its own name."""
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
    """The reason is the API's, and the status too."""
    browser = two_buckets(console)
    move_as(console, problem(409, "key-taken", "There is a file at x/a.txt."))
    form = {"key": "a.txt", "confirmed": "yes", "to_bucket": "archive", "to_folder": "x"}
    page = browser.post("/console/b/docs/move", {**form, "on_conflict": "error"})
    assert page.status_code == 409
    assert 'role="alert">There is a file at x/a.txt.</p>' in page.text
    assert '<option selected value="archive">' in page.text
    assert re.search(r'name="to_folder"[^>]*value="x"', page.text)


def test_a_choice_that_is_none_moves_nothing(console: Console) -> None:
    """What a form cannot say is not passed on."""
    browser = two_buckets(console)
    form = {"key": "a.txt", "confirmed": "yes", "to_bucket": "docs", "on_conflict": "explode"}
    page = browser.post("/console/b/docs/move", form)
    assert page.status_code == 422
    assert changes(console) == []


def test_a_move_that_stops_says_how_far_it_came(console: Console) -> None:
    """What was moved stays moved; the reason for the rest is told."""
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
    """So does one to a bucket that is gone: the API tells them apart for nobody."""
    browser = two_buckets(console)
    form = {"key": ["1", "2"], **TO_X, "to_bucket": "archive", "back": LIST}
    assert browser.post("/console/b/docs/move", form).location == LIST
    assert "Nothing was moved" in browser.get(LIST).text


def test_a_file_is_renamed_in_its_folder(console: Console) -> None:
    """The form has the old name; then the page of the file has its new address."""
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
    """The value of a hidden field of WTForms."""
    found = re.search(rf'<input id="{name}" name="{name}" type="hidden" value="([^"]*)"', page)
    assert found, page
    return html.unescape(found[1])


def test_a_rename_to_the_same_name_changes_nothing(console: Console) -> None:
    """No call is made that would be refused."""
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
    """What was typed stays, and the field says why."""
    serve_file(console.gateway)
    move_as(console, problem(status, slug, "Not this name."))
    page = console.person().post("/console/b/docs/rename/a.txt", {"name": "x/../y"})
    assert page.status_code == status
    assert re.search(r'name="name"[^>]*value="x/../y"', page.text)
    assert 'class="error">Not this name.</small>' in page.text


def test_an_empty_name_is_not_sent(console: Console) -> None:
    """The form says so itself."""
    page = console.person().post("/console/b/docs/rename/a.txt", {"name": " "})
    assert page.status_code == 422
    assert "Enter a name." in page.text
    assert changes(console) == []


def test_a_full_tenant_is_told_how_full(console: Console) -> None:
    """A refusal for want of room is a page of its own, also in the middle of a move."""
    members = {"used_bytes": 900, "limit_bytes": 1000, "used_files": 3, "limit_files": 3}
    move_as(console, problem(507, "tenant-quota-exceeded", "x", **members))
    form = {"key": "a.txt", **TO_X}
    page = two_buckets(console).post("/console/b/docs/move", form)
    assert page.status_code == 507
    assert "900 bytes of" in page.text


@pytest.mark.parametrize("action", ["view", "links", "move", "delete", "rename/a", "describe/a"])
def test_no_form_works_without_its_token(console: Console, action: str) -> None:
    """Whatever another site sends changes nothing."""
    browser = console.person()
    form = {"key": "a", "confirmed": "yes", "name": "b", "to_bucket": "docs"}
    assert browser.client.post(f"/console/b/docs/{action}", data=form).status_code == 400
    assert changes(console) == []
    assert "wharf_console_files" not in str(browser.client.get_cookie("wharf_console_files"))


@pytest.mark.parametrize("action", ["view", "links", "move", "delete"])
def test_a_form_leads_nowhere_else(console: Console, action: str) -> None:
    """Where to go back to is a page of the console, or the list."""
    browser = console.person()
    reply = browser.post(f"/console/b/docs/{action}", {"back": "https://evil.example/"})
    assert (reply.status_code, reply.location) == (303, LIST)
