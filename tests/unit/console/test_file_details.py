"""The form for a file's details: its name, its expiry and its metadata."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.servers.console import Console
from tests.servers.console_documents import serve_file
from tests.servers.fake_gateway import Reply, problem
from tests.unit.console.test_reaching import limited, place

PAGE = "/console/b/docs/f/a.txt"


def test_a_change_of_details_is_sent_as_it_was_typed(console: Console) -> None:
    """The form for details sends all metadata, and converts the expiry from the person's zone."""
    file = serve_file(console.gateway, metadata={"a": "1", "b": "2"})
    console.gateway.on("PATCH", "/v1/metadata/docs/a.txt", Reply(file))
    browser = console.person("editor")
    page = browser.get("/console/b/docs/describe/a.txt").text
    assert re.findall('<input name="name" value="([^"]*)"', page) == ["a", "b", "", ""]
    form = {
        "seen": seen(page),
        "filename": "b.txt",
        "expiry": "at",
        "expires_at": "2027-01-01T12:30",
        "zone": "Europe/Berlin",
        "name": ["a", "", " c "],
        "value": ["9", "", " x "],
    }
    done = browser.post("/console/b/docs/describe/a.txt", form)
    assert (done.status_code, done.location) == (303, PAGE)
    [call] = console.gateway.called("PATCH", "/v1/metadata/docs/a.txt")
    assert call.json == {
        "filename": "b.txt",
        "metadata": {"a": "9", "c": " x "},
        "expires_at": "2027-01-01T11:30:00Z",
    }
    assert call.fields["if-match"] == file["etag"]
    assert "The details are saved." in browser.get(PAGE).text


@pytest.mark.parametrize(
    ("form", "sent"),
    [
        ({"expiry": "keep"}, {}),
        ({"expiry": "never", "expires_at": "2027-01-01T12:30"}, {"expires_at": None}),
        (
            {"expiry": "at", "expires_at": "2027-01-01T12:30", "zone": "../etc/passwd"},
            {"expires_at": "2027-01-01T12:30:00Z"},
        ),
        (
            {"expiry": "at", "expires_at": "2027-01-01T12:30:15", "zone": "Nowhere/City"},
            {"expires_at": "2027-01-01T12:30:15Z"},
        ),
    ],
)
def test_an_expiry_is_kept_removed_or_set(
    console: Console, form: dict[str, str], sent: dict[str, Any]
) -> None:
    """The expiry is kept, removed or set; an unknown time zone counts as UTC."""
    file = serve_file(console.gateway, expires_at="2026-12-24T18:00:00Z")
    console.gateway.on("PATCH", "/v1/metadata/docs/a.txt", Reply(file))
    browser = console.person()
    known = seen(browser.get("/console/b/docs/describe/a.txt").text)
    browser.post("/console/b/docs/describe/a.txt", {"seen": known, "filename": "a.txt", **form})
    [call] = console.gateway.called("PATCH", "/v1/metadata/docs/a.txt")
    assert call.json == {"filename": "a.txt", "metadata": {}, **sent}


def test_only_who_may_delete_is_asked_when_a_file_expires(console: Console) -> None:
    """A person who may write but not delete sees no field for the expiry, and can save the form."""
    file = serve_file(console.gateway, expires_at="2026-12-24T18:00:00Z")
    console.gateway.on("PATCH", "/v1/metadata/docs/a.txt", Reply(file))
    browser = limited(console, place(actions=["read", "write"]))
    page = browser.get("/console/b/docs/describe/a.txt").text
    assert 'name="expires_at"' not in page
    assert re.findall("<[a-z]+ [^>]*name=.expiry[^>]*>", page) == [
        '<input type="hidden" name="expiry" value="keep">'
    ]
    form = {"seen": seen(page), "filename": "b.txt", "expiry": "keep"}
    assert browser.post("/console/b/docs/describe/a.txt", form).status_code == 303
    [call] = console.gateway.called("PATCH", "/v1/metadata/docs/a.txt")
    assert call.json == {"filename": "b.txt", "metadata": {}}
    full = limited(console, place(actions=["read", "write", "delete"]))
    assert 'name="expires_at"' in full.get("/console/b/docs/describe/a.txt").text


def seen(page: str) -> str:
    """Return the form's field with the version that the person saw."""
    found = re.search('name="seen" type="hidden" value="([^"]+)"', page)
    assert found
    return found[1]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"filename": ""}, "Enter a name."),
        ({"expiry": "at"}, "Enter the time."),
        ({"expiry": "at", "expires_at": "soon"}, "Not a valid datetime value."),
        ({"name": ["a", "a"], "value": ["1", "2"]}, "The name “a” is there twice."),
        ({"name": [""], "value": ["1"]}, "A value has no name."),
    ],
)
def test_wrong_details_come_back_as_they_were_typed(
    console: Console, fields: dict[str, Any], words: str
) -> None:
    """A form with an error keeps its input, and no request is sent."""
    serve_file(console.gateway)
    browser = console.person()
    form = {"seen": "x", "filename": "a.txt", "expiry": "keep", "name": "k", "value": "v", **fields}
    page = browser.post("/console/b/docs/describe/a.txt", form)
    assert page.status_code == 422
    assert words in page.text
    assert 'name="value" value="' + next(iter(fields.get("value", "v"))) in page.text
    assert not any(call.method == "PATCH" for call in console.gateway.calls)


def test_more_lines_are_no_change(console: Console) -> None:
    """The button for more metadata works without scripts, keeps the input and sends no request."""
    serve_file(console.gateway)
    form = {"more": "yes", "filename": "typed", "name": ["k"], "value": ["v"]}
    page = console.person().post("/console/b/docs/describe/a.txt", form)
    assert page.status_code == 200
    assert re.findall('<input name="name" value="([^"]*)"', page.text) == ["k", "", ""]
    assert 'value="typed"' in page.text


def test_details_that_somebody_else_changed_are_shown_beside_what_was_typed(
    console: Console,
) -> None:
    """If another person has changed the details, a save gets 412 with both versions."""
    serve_file(console.gateway, metadata={"a": "1"})
    browser = console.person()
    known = seen(browser.get("/console/b/docs/describe/a.txt").text)
    file = serve_file(console.gateway, metadata={"a": "theirs"})
    console.gateway.on("PATCH", "/v1/metadata/docs/a.txt", Reply(file))
    form = {"seen": known, "filename": "a.txt", "expiry": "keep", "name": "a", "value": "mine"}
    page = browser.post("/console/b/docs/describe/a.txt", form)
    assert page.status_code == 412
    assert "<dd><bdi>theirs</bdi></dd>" in page.text
    assert 'name="value" value="mine"' in page.text
    form["seen"] = seen(page.text)
    assert browser.post("/console/b/docs/describe/a.txt", form).status_code == 303
    [call] = console.gateway.called("PATCH", "/v1/metadata/docs/a.txt")
    assert call.json["metadata"] == {"a": "mine"}


def test_details_that_the_api_refuses_come_back(console: Console) -> None:
    """A refusal of the API is shown above the form."""
    serve_file(console.gateway)
    refusal = problem(422, "unprocessable", "expires_at lies in the past.")
    console.gateway.on("PATCH", "/v1/metadata/docs/a.txt", refusal)
    browser = console.person()
    known = seen(browser.get("/console/b/docs/describe/a.txt").text)
    form = {"seen": known, "filename": "a.txt", "expiry": "keep"}
    page = browser.post("/console/b/docs/describe/a.txt", form)
    assert page.status_code == 422
    assert 'role="alert">expires_at lies in the past.</p>' in page.text
