"""Uploads, guests and links through the whole Wharf, in a browser without scripts."""

from __future__ import annotations

import html
import json
import re
import secrets
from base64 import b64encode
from urllib.parse import urlencode

import pytest

from tests.servers.pages.visitor import Visitor
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.multipart_body import CONTENT_TYPE, Part, file_part, multipart_body
from tests.servers.wharf.raw_http import until

BUCKET = "default"


class Member(Visitor):
    """The first person of the demo tenant, logged in."""

    def __init__(self, wharf: Wharf) -> None:
        super().__init__(wharf)
        assert self.login()[0] == 303

    def post(self, target: str, form: dict[str, str]) -> tuple[int, str, str]:
        """Send a form with this session's CSRF token; return status, redirect and text."""
        _, _, page = self.request("GET", "/console/")
        found = re.search(r'name="csrf_token" value="([^"]+)"', page)
        assert found
        body = urlencode({**form, "csrf_token": found[1]}).encode()
        kind = {"Content_Type": "application/x-www-form-urlencoded"}
        status, fields, text = self.request("POST", target, body, **kind)
        return status, fields.get("Location", ""), text

    def invites(self, **form: str) -> str:
        """Make a ticket, and return the path of the guest's page."""
        given = {"bucket": BUCKET, "expires_in": "3600", "kind": "", **form}
        status, location, text = self.post("/console/tickets/new", given)
        assert status == 303, text
        page = html.unescape(self.request("GET", location)[2])
        found = re.search(r'value="http://[^/"]+(/console/drop/[^"]+)"', page)
        assert found
        return found[1]


def sends(visitor: Visitor, page: str, *parts: Part, address: str = "") -> tuple[int, str, str]:
    """Send the plain form of a page; return status, redirect and text."""
    action = re.search(r'action="(/u/[^"]+)"', page)
    assert action
    referer = {"Referer": address} if address else {}
    body = multipart_body(*parts)
    status, fields, text = visitor.request(
        "POST", action[1], body, Content_Type=CONTENT_TYPE, **referer
    )
    return status, fields.get("Location", ""), text


def path_of(wharf: Wharf, address: str) -> str:
    """Return the path of an address on this Wharf."""
    assert address.startswith(f"{wharf.url}/"), address
    return address.removeprefix(wharf.url)


@pytest.fixture
def member(wharf: Wharf) -> Member:
    """Return a person who is logged in."""
    return Member(wharf)


@pytest.fixture
def folder() -> str:
    """Return the name of a folder that no other test uses."""
    return f"share-{secrets.token_hex(4)}"


def test_uploading_without_a_script(wharf: Wharf, member: Member, folder: str) -> None:
    """A form without scripts uploads two files, and leads to a list that confirms the upload."""
    page = member.request("GET", f"/console/b/{BUCKET}/upload?prefix={folder}/")[2]
    parts = (file_part("one.txt", b"1", "files"), file_part("two.txt", b"2", "files"))
    status, location, _ = sends(member, page, *parts)
    assert status == 303
    status, fields, _ = member.request("GET", path_of(wharf, location))
    assert status == 303
    shown = member.request("GET", fields["Location"])[2]
    assert "Your files are uploaded." in shown
    assert "one.txt" in shown
    assert "two.txt" in shown


def test_a_refused_upload_leads_back_to_the_form(wharf: Wharf, member: Member, folder: str) -> None:
    """The refusal of an upload form states the reason, and links back to the form."""
    address = f"{wharf.url}/console/b/{BUCKET}/upload?prefix={folder}/"
    page = member.request("GET", path_of(wharf, address))[2]
    status, _, text = sends(member, page, address=address)
    assert status in {400, 422}
    assert html.escape(address) in text
    assert "/uploaded" not in text


@pytest.mark.parametrize("form", ["upload", "example", "guest"])
def test_a_refusal_of_a_browser_that_tells_nothing(
    wharf: Wharf, member: Member, folder: str, form: str
) -> None:
    """Without a Referer a refusal's link leads to a page that confirms no upload."""
    page = {
        "upload": f"/console/b/{BUCKET}/upload?prefix={folder}/",
        "example": "/console/examples/no-file",
        "guest": member.invites(prefix=folder, max_files="") if form == "guest" else "",
    }[form]
    visitor = Visitor(wharf) if form == "guest" else member
    status, _, text = sends(visitor, visitor.request("GET", page)[2])
    assert status in {400, 422}
    found = re.search(r'<a href="([^"]+)">Go back</a>', text)
    assert found
    status, fields, text = visitor.request("GET", path_of(wharf, html.unescape(found[1])))
    if status == 303:
        text = visitor.request("GET", fields["Location"])[2]
    assert "No new file has arrived" in text
    for words in ("Your files are uploaded.", "It is stored.", "Your files have arrived"):
        assert words not in text


def test_a_ticket_for_scripts(member: Member, folder: str) -> None:
    """The console's ticket for scripts allows tus uploads to its folder, and no other request."""
    page = member.request("GET", "/console/")[2]
    token = re.search(r'data-csrf="([^"]+)"', page)
    assert token
    body = urlencode({"bucket": BUCKET, "prefix": f"{folder}/"}).encode()
    fields = {"X_CSRFToken": token[1], "Content_Type": "application/x-www-form-urlencoded"}
    status, _, text = member.request(
        "POST", "/console/tickets", body, **fields, Accept="application/json"
    )
    assert status == 201, text
    ticket = json.loads(text)["ticket"]
    bearer = {"Authorization": f"Bearer {ticket}", "Accept": "application/json"}

    def begins(key: str) -> int:
        pairs = {"bucket": BUCKET, "key": key}
        told = ",".join(f"{n} {b64encode(text.encode()).decode()}" for n, text in pairs.items())
        tus = {"Tus_Resumable": "1.0.0", "Upload_Length": "1", "Upload_Metadata": told}
        return member.request("POST", "/v1/uploads", b"", **bearer, **tus)[0]

    assert (begins(f"{folder}/a"), begins("elsewhere")) == (201, 403)
    for method, target in (
        ("PUT", f"/v1/files/{BUCKET}/{folder}/a"),
        ("GET", f"/v1/files/{BUCKET}"),
        ("DELETE", f"/v1/files/{BUCKET}/{folder}/a"),
        ("POST", "/v1/links"),
        ("GET", "/auth/me"),
    ):
        answer = member.request(method, target, b"a" if method == "PUT" else b"", **bearer)
        assert answer[0] in {401, 403}, (method, target)


def test_a_guest(wharf: Wharf, member: Member, folder: str) -> None:
    """A guest can open the address and send a file; then the page calls the ticket used up."""
    address = member.invites(prefix=folder, max_files="1")
    guest = Visitor(wharf)
    status, _, page = guest.request("GET", address)
    assert status == 200
    assert "Files that may still come" in page
    status, location, _ = sends(guest, page, file_part("cv.txt", b"cv", "files"))
    assert status == 303
    status, _, text = guest.request("GET", path_of(wharf, location))
    assert status == 200
    assert "Your files have arrived" in text
    status, _, text = guest.request("GET", address)
    assert status == 410
    assert "This upload page is used up" in text
    assert "cv.txt" in member.request("GET", f"/console/b/{BUCKET}/?prefix={folder}/")[2]


def test_a_guests_address_ends_with_the_session(wharf: Wharf, member: Member) -> None:
    """A guest's address ends with the session in which the invitation was made."""
    address = member.invites(max_files="1")
    guest = Visitor(wharf)
    assert guest.request("GET", address)[0] == 200
    assert member.post("/console/logout", {})[0] == 303
    assert until(lambda: guest.request("GET", address)[0] == 410)


def test_no_ticket_is_logged(wharf: Wharf, member: Member) -> None:
    """No log of the gateway, the console or the API contains a ticket."""
    address = member.invites(max_files="1")
    ticket = address.rpartition("/")[2]
    Visitor(wharf).request("GET", address)
    assert until(lambda: "/console/drop/(masked)" in wharf.log("access"))
    for name in ("access", "console", "upload", "auth", "receiver", "nginx", "live", "images"):
        assert ticket not in wharf.log(name), name


def test_links(wharf: Wharf, member: Member, folder: str) -> None:
    """A link shows its file to strangers until a person ends this link or all links.

    The list of links shows the link, which stays valid after the logout of its maker.
    """
    page = member.request("GET", f"/console/b/{BUCKET}/upload?prefix={folder}/")[2]
    sends(member, page, file_part("read me.txt", b"hello", "files"))
    form = {
        "bucket": BUCKET,
        "target": f"{folder}/read me.txt",
        "disposition": "inline",
        "expires_in": "3600",
    }
    stranger, links = Visitor(wharf), []
    for _ in range(2):
        status, location, text = member.post("/console/links", form)
        assert status == 303, text
        made = html.unescape(member.request("GET", location)[2])
        found = re.search(r'value="(http://[^"]+/s/[^"]+)"', made)
        assert found
        links.append(path_of(wharf, found[1]))
        assert stranger.request("GET", links[-1])[2] == "hello"
    assert member.post("/console/logout", {})[0] == 303
    member = Member(wharf)
    shown = member.request("GET", f"/console/links?where={BUCKET}&shows={folder}/read%20me.txt")[2]
    assert "/s/" not in shown
    for query in ("where=none", "where=No%21", f"where={BUCKET}&shows=a/../b", "whose=nobody"):
        status, _, page = member.request("GET", f"/console/links?{query}")
        assert (status, "There is no such link." in page) == (200, True), query
    ends = re.findall(r'action="(/console/links/[0-9a-f]{32}/end)"', shown)
    assert len(ends) == 2
    assert member.post(ends[0], {"confirmed": "yes"})[0] == 303
    # The list begins with the newest link.
    assert until(lambda: stranger.request("GET", links[1])[0] == 404)
    assert stranger.request("GET", links[0])[2] == "hello"
    assert member.post("/console/links/revoke", {"confirmed": "yes"})[0] == 303
    assert until(lambda: stranger.request("GET", links[0])[0] == 404)


def test_an_upload_under_way(member: Member, folder: str) -> None:
    """The console lists an upload under way with its progress, and can cancel the upload."""
    ticket = re.search(r"/console/drop/(.+)", member.invites(prefix=folder))
    assert ticket
    begun = {
        "Upload_Complete": "?0",
        "Upload_Draft_Interop_Version": "8",
        "Upload_Length": "1000",
        "Accept": "application/json",
    }
    # The ticket allows forms and PUT. The test sends only the first 100 of 1000 bytes.
    status, _, text = member.request("PUT", f"/u/{ticket[1]}/half.bin", b"x" * 100, **begun)
    assert status == 201, text
    shown = member.request("GET", "/console/uploads")[2]
    assert f"{folder}/half.bin" in shown
    assert "100 bytes of 1" in shown
    action = re.findall(r'action="(/console/uploads/[0-9a-f]+/cancel)"', shown)[-1]
    assert member.post(action, {})[0] == 200
    assert member.post(action, {"confirmed": "yes"})[0] == 303
    assert f"{folder}/half.bin" not in member.request("GET", "/console/uploads")[2]


def test_what_has_happened(member: Member, folder: str) -> None:
    """The list of events shows a new upload, unless a filter selects another kind of event."""
    page = member.request("GET", f"/console/b/{BUCKET}/upload?prefix={folder}/")[2]
    sends(member, page, file_part("new.txt", b"new", "files"))
    shown = member.request("GET", "/console/activity?kind=file.created")[2]
    assert f"{folder}/new.txt" in shown
    assert (
        f"{folder}/new.txt" not in member.request("GET", "/console/activity?kind=file.deleted")[2]
    )
