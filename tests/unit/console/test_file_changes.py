"""Changes of files: deletion of one or several, and rules for every change."""

from __future__ import annotations

import html
import re

import pytest

from tests.servers.console import Console
from tests.servers.console_documents import serve_file
from tests.servers.console_files import TO_X, changes, moved
from tests.servers.fake_gateway import Call, Reply, problem

LIST = "/console/b/docs/"
SEEN = '"old" 17 2026-11-18T09:00:00+00:00'


def test_what_is_selected_is_deleted_after_a_question(console: Console) -> None:
    """The selected files are deleted after a confirmation, which leads back to the list."""
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
    """A file that another person has deleted is no error of the deletion."""
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
    """A refusal stops the deletion of several files, and the page says how many are deleted."""
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
    """Without a selection the page says to select files first, and does not ask to confirm."""
    browser = console.person()
    assert browser.post("/console/b/docs/delete", {}).status_code == 303
    assert "Select the files first." in browser.get(LIST).text


def test_a_single_file_is_deleted_as_it_was_seen(console: Console) -> None:
    """A single file is deleted only if it still has the version that the person saw."""
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
    """The page says when a deletion found no file."""
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
    """If a file was replaced, a change of the file shows both versions, and can be confirmed."""
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
    """Return the response to a move, or to a deletion."""
    return moved(call) if call.method == "POST" else Reply(status=204)


def hidden(page: str) -> dict[str, str]:
    """Return the hidden fields of the last form in the main part of a page."""
    form = page[page.index("<main") : page.index("</main>")].rpartition("<form")[2]
    pairs = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form)
    return {name: html.unescape(value) for name, value in pairs if name != "csrf_token"}


def test_a_file_that_was_deleted_meanwhile_is_gone(console: Console) -> None:
    """A conflict with a file that was deleted becomes a 404 page with a link to the folder."""
    console.gateway.on("DELETE", "/v1/files/docs/a/b.txt", problem(412, "precondition-failed"))
    browser = console.person()
    form = {"key": "a/b.txt", "confirmed": "yes", "version": SEEN}
    page = browser.post("/console/b/docs/delete", form)
    assert page.status_code == 404
    assert '<a href="/console/b/docs/">One level up' in page.text


@pytest.mark.parametrize("version", ["", "x", '"a" b c', '"a" 1 yesterday', '"\n" 1 2026-11-18'])
def test_a_broken_version_is_none(console: Console, version: str) -> None:
    """If the form's version is malformed, the change applies to any version of the file."""
    console.gateway.on("DELETE", "/v1/files/docs/a.txt", Reply(status=204))
    browser = console.person()
    form = {"key": "a.txt", "confirmed": "yes", "version": version}
    assert browser.post("/console/b/docs/delete", form).status_code == 303
    assert "if-match" not in console.gateway.called("DELETE", "/v1/files/docs/a.txt")[0].fields


@pytest.mark.parametrize("action", ["view", "links", "move", "delete", "rename/a", "describe/a"])
def test_no_form_works_without_its_token(console: Console, action: str) -> None:
    """A form without its token gets 400 and changes nothing."""
    browser = console.person()
    form = {"key": "a", "confirmed": "yes", "name": "b", "to_bucket": "docs"}
    assert browser.client.post(f"/console/b/docs/{action}", data=form).status_code == 400
    assert changes(console) == []
    assert browser.client.get_cookie("wharf_console_files") is None


@pytest.mark.parametrize("action", ["view", "links", "move", "delete"])
def test_a_form_leads_nowhere_else(console: Console, action: str) -> None:
    """A form's `back` address outside the console is replaced by the list."""
    browser = console.person()
    reply = browser.post(f"/console/b/docs/{action}", {"back": "https://evil.example/"})
    assert (reply.status_code, reply.location) == (303, LIST)
