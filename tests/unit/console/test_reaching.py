"""Pages offer a person only what the person's grants reach."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import convert

from tests.servers.console import Browser, Console
from tests.servers.console_documents import (
    bucket_document,
    file_document,
    grant,
    me,
    serve_file,
    session_document,
)
from tests.servers.console_people import serve_people
from tests.servers.fake_gateway import Reply, problem
from wharf_console.api.accounts import LoginSession, Me
from wharf_console.sessions.reaches import KnownReaches

ALL = ["read", "write", "delete", "list"]
LIST, PAGE = "/console/b/docs/", "/console/b/docs/f/mine/a.txt"
UPLOADS = "/console/b/docs/upload"


def place(bucket: str = "docs", prefix: str = "", actions: list[str] | None = None) -> Any:
    """Return a grant in the form in which auth returns it."""
    return {"bucket": bucket, "prefix": prefix, "actions": ALL if actions is None else actions}


def limited(console: Console, *grants: Any, role: str = "editor") -> Browser:
    """Return the browser of a person who has only these grants."""
    browser = console.person(role)
    reaches(console, *grants, role=role)
    return browser


def reaches(console: Console, *grants: Any, role: str = "editor") -> None:
    """From now on, make auth return these grants for the person."""
    console.gateway.on("GET", "/auth/me", Reply(me(role) | {"grants": list(grants)}))


def lists(console: Console, *keys: str) -> None:
    """Serve these keys as the bucket's files."""
    files = [file_document(key) for key in keys]
    found = {"files": files, "prefixes": [], "next_cursor": None}
    console.gateway.on("GET", "/v1/files/docs", Reply(found))


def test_a_folder_of_ones_own_has_everything(console: Console) -> None:
    """Within a folder with all actions the pages offer everything."""
    serve_file(console.gateway, "mine/a.txt")
    browser = limited(console, place(prefix="mine/"))
    page = browser.get(f"{LIST}?prefix=mine/").text
    for words in ("Upload</a>", "data-drop-zone", "Move what is selected", "Delete what is"):
        assert words in page, words
    page = browser.get(PAGE).text
    for words in ("Rename", "Replace", "Change details", "Move</button>", "Delete</button>"):
        assert words in page, words


def test_above_the_own_folder_nothing_is_offered_but_the_way(console: Console) -> None:
    """Above the reached folder the page offers only a link to that folder."""
    page = limited(console, place(prefix="mine/")).get(LIST).text
    assert 'href="/console/b/docs/?prefix=mine/"' in page
    for words in (UPLOADS, "data-drop-zone", "/settings"):
        assert words not in page, words


def test_an_auditor_is_offered_links_and_nothing_that_changes(console: Console) -> None:
    """A person with only `read` and `list` is offered links but no change, in any role."""
    serve_file(console.gateway, "mine/a.txt")
    browser = limited(console, place(actions=["read", "list"]))
    for path in (LIST, PAGE):
        page = browser.get(path).text
        assert 'action="/console/b/docs/links"' in page
        for words in ("Delete", "Move", "Rename", "Replace", "Change details", UPLOADS):
            assert words not in page, (path, words)


def test_a_file_that_may_be_listed_only_is_a_name(console: Console) -> None:
    """A file that the person may only list has no link, no picture and no selection box."""
    lists(console, "mine/a.txt")
    page = limited(console, place(actions=["list"])).get(LIST).text
    assert "mine/a.txt</bdi>" in page
    for words in ("/f/mine", "data-select ", "data-needs-selection", "data-thumb"):
        assert words not in page, words


def test_buttons_for_many_are_there_where_one_file_allows_it(console: Console) -> None:
    """The list has a button for selected files if the person may use it on one listed file."""
    lists(console, "a/1.txt", "b/2.txt")
    grants = place(actions=["read", "list"]), place(prefix="b/", actions=["delete"])
    page = limited(console, *grants).get(LIST).text
    assert "Delete what is selected" in page
    assert "Move what is selected" not in page


def test_an_inbox_shows_nothing_of_what_is_there(console: Console) -> None:
    """If only `write` is granted, a folder's page offers uploads and says that files are hidden."""
    browser = limited(console, place(prefix="inbox/", actions=["write"]))
    page = browser.get(f"{LIST}?prefix=inbox/").text
    assert "You may not see what is in this bucket." in page
    assert "Nothing here yet" not in page
    assert "data-drop-zone" in page


def test_a_page_of_uploads_outside_is_refused_before_a_ticket_is_made(console: Console) -> None:
    """An upload page outside the person's grants gets 403, and no ticket is made."""
    reply = limited(console, place(prefix="mine/")).get("/console/b/docs/upload?prefix=other/")
    assert reply.status_code == 403
    assert 'href="/console/account"' in reply.text
    assert not [one for one in console.gateway.calls if b"token-exchange" in one.body]


def test_the_first_page_has_no_usage_of_what_is_not_all_reached(console: Console) -> None:
    """If the person's grants are limited, the first page does not request the usage."""
    refused = problem(403, "outside-grants", "Usage is of the whole tenant.")
    console.gateway.on("GET", "/v1/usage", refused)
    reply = limited(console, place(prefix="mine/")).get("/console/")
    assert reply.status_code == 200
    assert 'id="usage"' not in reply.text
    assert console.gateway.called("GET", "/v1/usage") == []


def test_whoever_reaches_nothing_is_told_whom_to_ask(console: Console) -> None:
    """A page that needs a bucket tells a person without grants that no bucket allows the action."""
    console.gateway.on("GET", "/v1/buckets", Reply({"buckets": []}))
    browser = limited(console)
    assert "You reach no bucket yet." in browser.get("/console/").text
    for path in ("/console/links", "/console/tickets/new"):
        assert "You may not do this in any bucket." in browser.get(path).text


def test_only_buckets_that_allow_it_are_choices(console: Console) -> None:
    """The form for links offers buckets with the action `read`. The form for invitations offers
    buckets with the action `write`.
    """
    buckets = [bucket_document(name) for name in ("docs", "photos")]
    console.gateway.on("GET", "/v1/buckets", Reply({"buckets": buckets}))
    grants = place("docs", actions=["read"]), place("photos", actions=["write"])
    browser = limited(console, *grants)
    for path, name in (("/console/links", "docs"), ("/console/tickets/new", "photos")):
        page = browser.get(path).text
        assert f'value="{name}"' in page
        assert page.count("<option") > 1
        assert f'value="{ {"docs": "photos", "photos": "docs"}[name] }"' not in page


def test_a_fixed_key_is_uploaded_by_its_name(console: Console) -> None:
    """A grant for one key has an upload page with a ticket for only this key."""
    granted = Reply({"access_token": "ticket", "expires_in": 900})
    browser = limited(console, place(prefix="me/avatar", actions=["read", "write"]))
    console.gateway.on("POST", "/auth/oauth/token", granted)
    assert "/console/b/docs/replace/me/avatar" in browser.get(LIST).text
    page = browser.get("/console/b/docs/replace/me/avatar").text
    assert 'action="/u/ticket"' in page
    assert "Upload <bdi>avatar</bdi>" in page
    [call] = console.gateway.called("POST", "/auth/oauth/token")
    assert '"key":"me/avatar"' in call.form["ticket"][0]


def test_a_change_of_grants_shows_within_seconds(console: Console) -> None:
    """The console caches a person's grants, and shows a change of grants within five seconds."""
    browser = limited(console, place(prefix="mine/"))
    assert UPLOADS not in browser.get(LIST).text
    reaches(console, place())
    assert UPLOADS not in browser.get(LIST).text
    console.clock.now += 6
    assert UPLOADS in browser.get(LIST).text


@pytest.mark.parametrize("answer", [problem(503, "unavailable"), problem(429, "quota-exceeded")])
def test_without_a_word_of_auth_pages_keep_to_the_last_one(console: Console, answer: Reply) -> None:
    """While auth does not respond, pages use the last known grants, or those of the role."""
    browser = console.person("editor")
    console.gateway.on("GET", "/auth/me", answer)
    assert UPLOADS in browser.get(LIST).text
    console.clock.now += 61
    reaches(console, place(prefix="mine/"))
    assert UPLOADS not in browser.get(LIST).text
    console.clock.now += 6
    console.gateway.on("GET", "/auth/me", answer)
    assert UPLOADS not in browser.get(LIST).text


def test_the_account_says_what_one_reaches(console: Console) -> None:
    """The account page shows the grants with placeholders filled in, or says that the person
    reaches everything or nothing.
    """
    serve_people(console.gateway)
    browser = console.person("viewer")
    assert "Everything that the rights allow." in browser.get("/console/account").text
    console.clock.now += 6
    reaches(console, place("*", "users/7/", ["read", "list"]), role="viewer")
    page = browser.get("/console/account").text
    for words in ("all buckets", "users/7/", "read, see the list"):
        assert words in page, words
    console.clock.now += 6
    reaches(console, role="viewer")
    assert "<p>Nothing.</p>" in browser.get("/console/account").text


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_refusal_of_grants_has_a_page(console: Console, language: str) -> None:
    """A refusal because of grants is a page that names no file and links to the account page."""
    refused = problem(403, "outside-grants", "You may not write here.")
    console.gateway.on("GET", "/v1/metadata/.*", refused)
    reply = console.person().get(PAGE, headers={"Accept-Language": language})
    assert reply.status_code == 403
    assert 'href="/console/account"' in reply.text
    assert ("outside of what you reach" in reply.text) == (language == "en")


def test_a_name_outside_is_told_at_its_field(console: Console) -> None:
    """A new name outside the grants is refused at the field for the name."""
    serve_file(console.gateway, "mine/a.txt")
    refused = problem(403, "outside-grants", "You may not write mine/b.txt.")
    console.gateway.on("POST", "/v1/copies", refused)
    browser = limited(console, place(prefix="mine/a"))
    reply = browser.post("/console/b/docs/rename/mine/a.txt", {"name": "b.txt"})
    assert reply.status_code == 403
    assert '<small id="name-error" class="error">You may not write mine/b.txt.' in reply.text


def test_scopes_of_groups_come_with_the_next_token(console: Console) -> None:
    """If a group adds scopes to a viewer, the viewer gets the pages when the token is renewed."""
    browser = console.person("viewer")
    assert browser.get("/console/uploads").status_code == 403
    grant(console.gateway, "editor")
    console.clock.now += 900
    assert browser.get("/console/").status_code == 200
    assert browser.get("/console/uploads").status_code == 200


def test_an_invitation_outside_is_refused_at_the_folder(console: Console) -> None:
    """An invitation to a folder outside the grants is refused at the field for the folder."""
    browser = limited(console, place(prefix="mine/"))
    assert "docs/mine/</bdi>" in browser.get("/console/tickets/new").text
    told = "The ticket is for keys that its maker's grants do not let it write."
    console.gateway.on("POST", "/auth/oauth/token", problem(400, "invalid_request", told))
    form = {"bucket": "docs", "prefix": "other", "kind": "", "expires_in": "3600"}
    reply = browser.post("/console/tickets/new", form)
    assert reply.status_code == 422
    assert '<small id="prefix-error" class="error">This is outside of' in reply.text


def test_what_is_kept_of_people_does_not_grow() -> None:
    """The cache of grants keeps at most 1,000 persons, and always the latest person."""
    session = convert(session_document(), LoginSession)
    person = {name: me()[name] for name in ("user_id", "tenant", "username", "role")}
    answer = Me(**person, display_name="", session=session, grants=())
    kept = KnownReaches()
    for number in range(2500):
        kept.of(str(number), 0.0, lambda: answer)
    assert len(vars(kept)["_known"]) <= 1000

    def never() -> Me:
        raise AssertionError("known already")

    assert kept.of("2499", 1.0, never).grants == ()
