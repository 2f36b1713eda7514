"""Pages for a tenant's clients: list, new client, secrets and disabling."""

from __future__ import annotations

import re

import pytest

from tests.servers.console import Console
from tests.servers.console_people import (
    CLIENTS,
    changes,
    client_document,
    secret_document,
    serve_people,
)
from tests.servers.fake_gateway import Reply, problem

LIST, NEW, ONE = "/console/clients", "/console/clients/new", "/console/clients/client-1"
SECRETS = f"{CLIENTS}/client-1/secrets"


@pytest.fixture(autouse=True)
def _people(console: Console) -> None:
    serve_people(console.gateway)


def once(console: Console) -> str:
    """Return the form's value by which the console recognizes a form that is sent twice."""
    found = re.search(r'name="once"[^>]*value="([^"]+)"', console.person().get(NEW).text)
    assert found
    return found[1]


def secret(page: str) -> list[str]:
    """Return the secrets that a page shows."""
    return re.findall(r'id="client-secret" value="([^"]+)"', page)


def test_a_tenant_without_clients_sees_what_they_are_for(console: Console) -> None:
    """An empty list of clients explains what clients are for."""
    console.gateway.on("GET", CLIENTS, Reply({"clients": [], "next_cursor": None}))
    browser = console.person()
    page = browser.get(LIST).text
    assert "No program yet" in page
    assert f'href="{NEW}"' in page
    assert "There is none further." in browser.get(f"{LIST}?cursor=x").text


def test_clients_are_listed_page_by_page(console: Console) -> None:
    """The list of clients asks auth with the cursor of its address."""
    off = client_document(state="disabled")
    console.gateway.on("GET", CLIENTS, Reply({"clients": [off], "next_cursor": "c1"}))
    browser = console.person()
    page = browser.get(LIST).text
    assert '<span class="badge">disabled</span>' in page
    assert 'href="/console/clients?cursor=c1" rel="next"' in page
    assert "First page" in browser.get(f"{LIST}?cursor=c1").text
    assert console.gateway.called("GET", CLIENTS)[-1].query["cursor"] == ["c1"]


def test_a_new_client_gets_a_secret_that_is_shown_once(console: Console) -> None:
    """A new client's secret is in the response to the form and in no later page."""
    browser = console.person()
    form = {"name": " robot ", "scopes": ["files:read", "files:write"], "once": once(console)}
    reply = browser.post(NEW, form)
    assert reply.status_code == 201
    assert reply.headers["Cache-Control"] == "no-store"
    assert secret(reply.text) == ["the-secret-itself"]
    assert 'id="client-id" value="client-1"' in reply.text
    [call] = console.gateway.called("POST", CLIENTS)
    assert call.json == {"name": "robot", "scopes": ["files:read", "files:write"]}
    for path in (LIST, ONE, NEW):
        assert "the-secret-itself" not in browser.get(path).text


def test_a_form_that_is_sent_again_makes_no_second_client(console: Console) -> None:
    """If a form is sent twice, the console creates one client, and the second response says so."""
    browser = console.person()
    form = {"name": "robot", "scopes": "files:read", "once": once(console)}
    browser.post(NEW, form)
    reply = browser.post(NEW, form)
    assert (reply.status_code, reply.location) == (303, LIST)
    assert len(console.gateway.called("POST", CLIENTS)) == 1
    assert "its secret shown once" in browser.get(LIST).text
    assert browser.post(NEW, {**form, "once": once(console)}).status_code == 201


def test_a_refused_form_can_be_sent_again(console: Console) -> None:
    """A form that was refused can be sent again."""
    browser = console.person()
    form = {"name": "", "scopes": "files:read", "once": once(console)}
    assert browser.post(NEW, form).status_code == 422
    assert browser.post(NEW, {**form, "name": "robot"}).status_code == 201


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": "", "scopes": "files:read"}, "name"),
        ({"name": "n" * 201, "scopes": "files:read"}, "name"),
        ({"name": "robot"}, "scopes"),
        ({"name": "robot", "scopes": "members:admin"}, "scopes"),
        ({"name": "robot", "scopes": ["files:read", "tenants:admin"]}, "scopes"),
    ],
)
def test_what_no_client_may_is_not_sent(
    console: Console, fields: dict[str, str], field: str
) -> None:
    """A client needs a valid name and a scope. A scope that clients cannot have is neither offered
    nor accepted.
    """
    browser = console.person()
    page = browser.get(NEW).text
    assert "members:admin" not in page
    assert "tenants:admin" not in page
    assert " required" not in page.partition("<legend>What it may do")[2]
    reply = browser.post(NEW, {**fields, "once": once(console)})
    assert reply.status_code == 422
    assert f'<small id="{field}-error" class="error">' in reply.text
    assert console.gateway.called("POST", CLIENTS) == []


@pytest.mark.parametrize(
    ("detail", "field"),
    [
        ("The name has 1 to 200 characters.", "name"),
        ("There is an unknown scope 'x'.", "scopes"),
    ],
)
def test_a_refusal_stands_at_its_field(console: Console, detail: str, field: str) -> None:
    """A refusal is shown at its field in the API's words, and the form keeps its input."""
    console.gateway.on("POST", CLIENTS, problem(422, "unprocessable", detail))
    form = {"name": "robot", "scopes": "events:read", "once": once(console)}
    reply = console.person().post(NEW, form)
    assert reply.status_code == 422
    assert f'<small id="{field}-error" class="error">' in reply.text
    assert re.search(r'<input checked[^>]*value="events:read"', reply.text)


def test_a_client_is_shown_with_what_it_may_do(console: Console) -> None:
    """The page of a client shows its name as text and its scopes in words."""
    console.gateway.on("GET", f"{CLIENTS}/client-1", Reply(client_document("<robot>")))
    page = console.person().get(ONE).text
    assert "<bdi>&lt;robot&gt;</bdi>" in page
    assert "read files, upload and change files" in page


def test_a_second_secret_is_shown_once(console: Console) -> None:
    """A second secret is shown once, and the first one stays valid."""
    browser = console.person()
    assert "Make another secret" in browser.get(ONE).text
    reply = browser.post(f"{ONE}/secrets")
    assert reply.status_code == 201
    assert secret(reply.text) == ["another"]
    assert changes(console.gateway) == [("POST", SECRETS)]


def test_a_third_secret_is_not_offered(console: Console) -> None:
    """A client with two secrets gets no button for a third, and a refusal is shown."""
    both = [secret_document(), secret_document("secret-2", hint="zz-1")]
    console.gateway.on("GET", SECRETS, Reply({"secrets": both}))
    refused = problem(409, "too-many-secrets", "The client has 2 live secrets.")
    console.gateway.on("POST", SECRETS, refused)
    browser = console.person()
    page = browser.get(ONE).text
    assert "Make another secret" not in page
    assert "…zz-1" in page
    assert browser.post(f"{ONE}/secrets").location == ONE
    assert "The client has 2 live secrets." in browser.get(ONE).text


def test_a_secret_is_retired_after_a_question(console: Console) -> None:
    """A secret is retired after a confirmation, which has a warning if it is the last secret."""
    browser = console.person()
    address = f"{ONE}/secrets/secret-1/retire"
    question = browser.get(address).text
    assert "Retire the secret that ends with aB3_?" in question
    assert "the client cannot log in after that" in question
    assert browser.post(address, {"confirmed": "yes"}).location == ONE
    assert changes(console.gateway) == [("DELETE", f"{SECRETS}/secret-1")]
    both = [secret_document(), secret_document("secret-2")]
    console.gateway.on("GET", SECRETS, Reply({"secrets": both}))
    assert "It is the only one" not in browser.get(address).text


def test_a_client_is_disabled_after_a_question(console: Console) -> None:
    """A client is disabled permanently after a confirmation; its page then offers no change."""
    browser = console.person()
    assert "It is for good." in browser.get(f"{ONE}/disable").text
    assert changes(console.gateway) == []
    assert browser.post(f"{ONE}/disable", {"confirmed": "yes"}).location == ONE
    assert changes(console.gateway) == [("DELETE", f"{CLIENTS}/client-1")]
    off = client_document(state="disabled", disabled_at="2026-11-20T10:00:00.000Z")
    console.gateway.on("GET", f"{CLIENTS}/client-1", Reply(off))
    page = browser.get(ONE).text
    for words in ("/retire", "/disable", "Make another secret"):
        assert words not in page


def test_a_client_that_is_in_use_here_is_told(console: Console) -> None:
    """A refusal to disable a client is a page with the words of auth."""
    refused = problem(409, "client-protected", "Disable it with another one's token.")
    console.gateway.on("DELETE", f"{CLIENTS}/client-1", refused)
    reply = console.person().post(f"{ONE}/disable", {"confirmed": "yes"})
    assert reply.status_code == 409
    assert "another one&#39;s token" in reply.text
