"""The page of uploads that are under way."""

from __future__ import annotations

from typing import Any

import pytest

from tests.servers.console import Console
from tests.servers.console_people import USERS, serve_people, user_document
from tests.servers.fake_gateway import Call, Reply, problem
from tests.unit.console.test_templates import check

PAGE = "/console/uploads"


def upload(**fields: Any) -> dict[str, Any]:
    """Return an upload as the API lists it."""
    identifier = fields.get("id", "1")
    return {
        "id": identifier,
        "bucket": "docs",
        "key": "film.mp4",
        "offset": 400_000,
        "length": 1_000_000,
        "protocol": "tus",
        "subject": "user-1",
        "by_ticket": False,
        "created_at": "2026-11-18T10:00:00Z",
        "expires_at": "2026-11-19T10:00:00Z",
        "links": {"upload": f"/v1/uploads/{identifier}"},
        **fields,
    }


def shown(console: Console, *uploads: dict[str, Any], role: str = "owner", cursor: str = "") -> str:
    """Return the page with these uploads."""
    browser = console.person(role)
    listed = {"uploads": uploads, "next_cursor": cursor or None}
    console.gateway.on("GET", "/v1/uploads", Reply(listed))
    page = browser.get(PAGE).text
    check(PAGE, page)
    return page.replace("\N{NO-BREAK SPACE}", " ")


def test_how_far_and_how_fast(console: Console) -> None:
    """The page of uploads shows each upload's progress and average rate."""
    page = shown(console, upload(created_at="2026-11-18T11:05:00Z"))
    assert "400 kB of 1 MB" in page
    assert '<progress value="400000" max="1000000" aria-label="docs/film.mp4">' in page
    assert "4 kB a second on average" in page
    assert 'data-rate="1" data-offset="400000"' in page
    assert 'data-live="#uploads" data-live-of="uploads"' in page
    assert '<tr data-row="1">' in page


def test_a_length_that_is_not_known(console: Console) -> None:
    """An upload without a known length shows its bytes and no progress bar."""
    page = shown(console, upload(length=None, key=None))
    assert "400 kB so far" in page
    assert "<progress" not in page
    assert "<bdi>docs/</bdi>" in page


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, ">You<"),
        ({"by_ticket": True}, ">You, or a guest of yours<"),
        ({"subject": "user-2"}, "<bdi>Bob &lt;B&gt;</bdi>"),
        ({"subject": "user-2", "by_ticket": True}, "<bdi>Bob &lt;B&gt;</bdi>, or a guest"),
        ({"subject": "client-1"}, "<bdi>robot</bdi>"),
        ({"subject": "client-gone"}, "<bdi>client-gone</bdi>"),
    ],
)
def test_whose_it_is(console: Console, fields: dict[str, Any], words: str) -> None:
    """Owners see the names of uploaders, or the id of an uploader that is deleted."""
    serve_people(console.gateway)
    bob = user_document(display_name="Bob <B>")
    console.gateway.on("GET", USERS, Reply({"users": [bob], "next_cursor": None}))
    assert words in shown(console, upload(**fields)).replace(">\n", ">").replace("\n", "")


def test_whose_it_is_among_many(console: Console) -> None:
    """The name of an uploader is shown even when it is on a later page of the list of users."""

    def answer(call: Call) -> Reply:
        if call.query.get("cursor"):
            return Reply({"users": [user_document("zoe", "user-9")], "next_cursor": None})
        return Reply({"users": [user_document()], "next_cursor": "more"})

    serve_people(console.gateway)
    console.gateway.on("GET", USERS, answer)
    assert "<bdi>Zoe</bdi>" in shown(console, upload(subject="user-9"))


def test_an_editor_asks_for_nobodys_name(console: Console) -> None:
    """An editor's page requests no names, because the API lists only the editor's own uploads."""
    shown(console, upload(), role="editor")
    assert console.gateway.called("GET", "/auth/v1/tenants/acme/users") == []


@pytest.mark.parametrize(
    ("role", "fields", "offered"),
    [
        ("editor", {}, True),
        ("owner", {"subject": "client-1"}, True),
        ("editor", {"subject": "client-1"}, False),
        ("owner", {"links": {"upload": None}, "protocol": "slices"}, False),
    ],
)
def test_who_may_cancel(
    console: Console, role: str, fields: dict[str, Any], *, offered: bool
) -> None:
    """A person may cancel their own uploads, and an owner each upload that has an address."""
    serve_people(console.gateway)
    page = shown(console, upload(**fields), role=role)
    assert ('action="/console/uploads/1/cancel"' in page) == offered


def test_an_upload_is_cancelled_after_a_question(console: Console) -> None:
    """An upload is cancelled after a confirmation, which leads back to the list."""
    browser = console.person("editor")
    console.gateway.on("DELETE", "/v1/uploads/1", Reply(status=204))
    back = f"{PAGE}?cursor=x"
    question = browser.post(
        f"{PAGE}/1/cancel", {"name": "docs/<b>", "subject": "client-1", "back": back}
    )
    assert "data-dialog" in question.text
    assert "docs/&lt;b&gt;" in question.text
    check("question", question.text)
    assert console.gateway.called("DELETE", "/v1/uploads/1") == []
    assert 'name="subject" value="client-1"' in question.text
    form = {"confirmed": "yes", "subject": "client-1", "back": back}
    done = browser.post(f"{PAGE}/1/cancel", form)
    assert (done.status_code, done.location) == (303, back)
    [call] = console.gateway.called("DELETE", "/v1/uploads/1")
    assert (call.fields["tus-resumable"], call.query) == ("1.0.0", {"subject": ["client-1"]})
    assert "The upload is cancelled." in browser.get("/console/").text


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example", "/console/../x", ""])
def test_the_way_back_stays_inside(console: Console, back: str) -> None:
    """A form that cancels an upload returns to a page of the console only."""
    browser = console.person("editor")
    console.gateway.on("DELETE", "/v1/uploads/1", Reply(status=204))
    reply = browser.post(f"{PAGE}/1/cancel", {"confirmed": "yes", "back": back})
    assert reply.location == PAGE


def test_what_has_ended_already_is_no_failure(console: Console) -> None:
    """It is no error to cancel an upload that has already ended or become a file."""
    browser = console.person("editor")
    reply = browser.post(f"{PAGE}/1/cancel", {"confirmed": "yes"})
    assert reply.status_code == 303
    assert "This upload has ended already." in browser.get("/console/").text


def test_a_form_of_another_session_cancels_nothing(console: Console) -> None:
    """A form without a token, or with the token of another session, cancels no upload."""
    browser, other = console.person(), console.person()
    for token in ({}, {"csrf_token": other.token()}):
        form = {"confirmed": "yes", **token}
        assert browser.client.post(f"{PAGE}/1/cancel", data=form).status_code == 400
    assert not any(call.method == "DELETE" for call in console.gateway.calls)


def test_a_page_may_be_empty_before_the_last(console: Console) -> None:
    """A page without uploads before the last page says so, and has a link to the next page."""
    page = shown(console, cursor="next")
    assert "There may be more on the next one." in page
    assert f'href="{PAGE}?cursor=next" rel="next"' in page
    assert "Nothing is under way" in shown(console)


def test_a_refusal_is_a_page(console: Console) -> None:
    """A refusal of the API becomes an error page."""
    browser = console.person()
    console.gateway.on("GET", "/v1/uploads", problem(503, "unavailable", retry_after=3))
    assert browser.get(PAGE).status_code == 503
