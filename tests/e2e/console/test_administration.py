"""Forms of owners: tests from the console's page through the gateway to auth and upload."""

from __future__ import annotations

import base64
import re
import secrets
from html import unescape
from urllib.parse import urlencode

import pytest

from tests.servers.pages.visitor import Visitor
from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.multipart_body import CONTENT_TYPE, field_part, file_part, multipart_body

FORM = "application/x-www-form-urlencoded"


class Owner(Visitor):
    """A person who fills in forms."""

    def page(self, path: str) -> str:
        """Return the page, which must exist."""
        status, _, text = self.request("GET", path)
        assert status == 200, (path, status, text)
        return text

    def send(self, path: str, *, on: str = "", **fields: str | list[str]) -> tuple[int, str]:
        """Send the form of a page, and return status and location or text.

        `on` is the page that contains the form, by default the page at `path`.
        """
        token = hidden(self.page(on or path), "csrf_token")
        body = urlencode({"csrf_token": token, **fields}, doseq=True).encode()
        status, answer, text = self.request("POST", path, body, Content_Type=FORM)
        return status, answer.get("Location", "") if status == 303 else text

    def send_file(self, path: str, content: bytes, **fields: str) -> tuple[int, str]:
        """Send a form with a file, and return status and text."""
        fields = {"csrf_token": hidden(self.page(path), "csrf_token"), **fields}
        parts = [field_part(name, value) for name, value in fields.items()]
        body = multipart_body(*parts, file_part("people.csv", content))
        status, _, text = self.request("POST", path, body, Content_Type=CONTENT_TYPE)
        return status, text

    def enter(self, username: str, password: str) -> int:
        """Log in as a member of the demo tenant, and return the status."""
        form = {"tenant": "demo", "username": username, "password": password}
        return self.send("/console/login", **form)[0]


def hidden(page: str, name: str) -> str:
    """Return the value of a hidden field."""
    found = re.search(rf'<input[^>]*name="{name}"[^>]*value="([^"]*)"', page)
    assert found, page
    return unescape(found[1])


def shown(page: str, identifier: str) -> str:
    """Return a secret that the page shows."""
    found = re.search(rf'id="{identifier}" value="([^"]+)"', page)
    assert found, page
    return unescape(found[1])


def unique(word: str) -> str:
    """Return a name that no other test uses."""
    return f"{word}-{secrets.token_hex(4)}"


@pytest.fixture
def owner(wharf: Wharf) -> Owner:
    """Return the first person of the demo tenant, logged in."""
    found = Owner(wharf)
    assert found.login()[0] == 303
    return found


def test_a_bucket_from_its_making_to_its_end(owner: Owner) -> None:
    """An owner makes, changes and deletes a bucket by forms. A form shows a refusal at
    its field.
    """
    name = unique("bucket")
    units = {"largest_unit": "MB", "expiry_unit": "days"}
    assert owner.send("/console/buckets/new", name=name, **units) == (303, f"/console/b/{name}/")
    page = f"/console/b/{name}/settings"
    policy = {"types": "image/*\r\napplication/pdf", "extensions": "JPG", "largest": "20"}
    seen = hidden(owner.page(page), "seen")
    for field, wrong in (
        ("types", "nothing"),
        ("extensions", "a/b"),
        ("origins", "null"),
        ("largest", "9999999999"),
        ("expiry", "9999999999"),
    ):
        status, text = owner.send(page, **{**units, **policy, field: wrong, "seen": seen})
        assert status == 422
        assert f'<small id="{field}-error" class="error">' in text, field
    question = owner.send(page, **units, **policy, seen=seen, public="y")[1]
    assert "Make the bucket public?" in question
    assert owner.send(page, **units, **policy, seen=seen, public="y", confirmed="yes")[0] == 303
    kept = owner.page(page)
    assert re.search(r">\s*image/\*\s+application/pdf</textarea>", kept)
    assert re.search(r">\s*jpg</textarea>", kept)
    # The form is outdated, because its `seen` value is old.
    assert owner.send(page, **units, seen=seen)[0] == 412
    assert owner.send(f"{page}/delete", confirmed="yes") == (303, "/console/")
    assert owner.request("GET", page)[0] == 404


def test_a_member_from_the_password_to_the_end(wharf: Wharf, owner: Owner) -> None:
    """A new member can log in, also with a new password, but not when disabled.

    A new role ends the member's session.
    """
    name = unique("eve")
    fields = {"username": name, "role": "viewer"}
    status, text = owner.send("/console/members/new", **fields)
    assert status == 201
    assert Owner(wharf).enter(name, shown(text, "new-password")) == 303
    status, text = owner.send("/console/members/new", username=name.upper(), role="viewer")
    assert (status, 'id="username-error"' in text) == (422, True)
    status, text = owner.send("/console/members/new", username="two words", role="viewer")
    assert (status, 'id="username-error"' in text) == (422, True)
    identifier = re.search(rf'members/([0-9a-f]+)"><bdi>{name}<', owner.page("/console/members"))
    assert identifier
    page = f"/console/members/{identifier[1]}"
    password = shown(owner.send(f"{page}/password", confirmed="yes")[1], "new-password")
    eve = Owner(wharf)
    assert eve.enter(name, password) == 303
    assert eve.request("GET", "/console/members")[0] == 403
    assert owner.send(page, display_name="Eve", role="editor") == (303, page)
    assert eve.request("GET", "/console/account")[0] == 303
    assert eve.enter(name, password) == 303
    assert "<dd>editor</dd>" in eve.page("/console/account")
    changed = "another good password"
    form = {"new_password": changed, "repeated_password": changed}
    status, text = eve.send("/console/account", current_password="wrong", **form)
    assert (status, 'id="current_password-error"' in text) == (422, True)
    assert eve.send("/console/account", current_password=password, **form)[0] == 303
    assert Owner(wharf).enter(name, changed) == 303
    other = hidden(eve.page("/console/account"), "session")
    end = "/console/account/sessions/end"
    assert eve.send(end, on="/console/account", session=other)[0] == 303
    assert owner.send(f"{page}/state", on=page, state="disabled")[0] == 303
    assert Owner(wharf).enter(name, changed) == 401
    assert owner.send(f"{page}/delete", confirmed="yes") == (303, "/console/members")
    assert owner.request("GET", page)[0] == 404


def test_many_members_by_a_file_of_excel(wharf: Wharf, owner: Owner) -> None:
    """A file of a spreadsheet adds many members, and the passwords in the saved result work."""
    ada, bob = unique("ada"), unique("鲍勃")
    sheet = f"用户名;姓名;角色\r\n{ada};Ada;editor\r\n{bob};鲍勃;\r\n{ada.upper()};;\r\n;x;\r\n"
    page = "/console/members/import"
    status, preview = owner.send_file(page, b"\xef\xbb\xbf" + sheet.encode(), role="viewer")
    assert status == 200
    assert "2 members can be added." in preview
    assert "2 lines have mistakes and are left out." in preview
    status, result = owner.send(page, lines=hidden(preview, "lines"))
    assert (status, "<h1>2 members added</h1>" in result) == (200, True)
    made = hidden(result, "secret_made")
    status, file = owner.send(f"{page}/result", on=page, secret_made=made)
    assert status == 200
    found = re.search(rf'"{bob}","鲍勃","viewer","([a-z0-9-]+)"', file)
    assert found
    assert Owner(wharf).enter(bob, found[1]) == 303
    again = owner.send_file(page, sheet.encode(), role="viewer")[1]
    assert "0 members can be added." in again


def test_a_client_from_its_secret_to_the_end(wharf: Wharf, owner: Owner) -> None:
    """Each secret gets tokens until the owner retires the secret or disables its client."""
    form = {"name": unique("robot"), "scopes": "files:read"}
    once = hidden(owner.page("/console/clients/new"), "once")
    status, text = owner.send("/console/clients/new", once=once, **form)
    assert status == 201
    client, first = shown(text, "client-id"), shown(text, "client-secret")
    assert owner.send("/console/clients/new", once=once, **form) == (303, "/console/clients")
    page = f"/console/clients/{client}"
    second = shown(owner.send(f"{page}/secrets", on=page)[1], "client-secret")
    assert token_status(wharf, client, first) == token_status(wharf, client, second) == 200
    assert owner.send(f"{page}/secrets", on=page) == (303, page)
    retire = re.search(rf'{page}/secrets/[^/"]+/retire', owner.page(page))
    assert retire
    assert owner.send(retire[0], confirmed="yes") == (303, page)
    assert token_status(wharf, client, first) == 401
    assert token_status(wharf, client, second) == 200
    assert owner.send(f"{page}/disable", confirmed="yes") == (303, page)
    assert token_status(wharf, client, second) == 401
    assert '<span class="badge">disabled</span>' in owner.page(page)
    log = owner.page("/console/audit?kind=clients")
    for words in ("made a client", "retired a client", "disabled a client"):
        assert words in log
    assert f"<bdi>{form['name']}</bdi>" in log
    refused = owner.page("/console/audit?outcome=refused")
    assert "refused: The client has two secrets already" in refused


def token_status(wharf: Wharf, client: str, secret: str) -> int:
    """Request a token for a client, and return the status."""
    basic = base64.b64encode(f"{client}:{secret}".encode()).decode()
    fields = {"Authorization": f"Basic {basic}", "Content-Type": FORM}
    body = b"grant_type=client_credentials"
    return ApiClient(wharf.port).request("POST", "/auth/oauth/token", body, fields).status
