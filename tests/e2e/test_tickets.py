"""Uploads by ticket through the gateway: in header and path, in memory and spooled (row 77).

Row numbers are those of the tables in docs/security.md.
"""

from __future__ import annotations

import socket
import struct
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_logs import logged
from tests.servers.wharf.api_client import LARGE, SMALL, ApiClient
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.multipart_body import CONTENT_TYPE, field_part, file_part, multipart_body
from tests.servers.wharf.raw_http import RawConnection, exchange, head, until
from tests.servers.wharf.tenants import Signer
from tests.servers.wharf.traces import nothing_stored

WAYS = [pytest.param(SMALL, id="in-memory"), pytest.param(LARGE, id="spooled")]
FORM = {"Content-Type": CONTENT_TYPE}


class Tickets:
    """Makes tickets of one tenant as auth does; `anyone` is a client without a credential."""

    def __init__(self, signer: Signer, api: ApiClient) -> None:
        self._signer, self.api, self.anyone = signer, api, api.using(None)

    def token(self, **rules: Any) -> str:
        """Return a ticket, by default for `in/` of the bucket `default`."""
        named = rules if "key" in rules else {"prefix": "in/", **rules}
        return self._signer.token(
            tid=self.api.tenant, scope="files:write", ticket={"bucket": "default", **named}
        )


@pytest.fixture
def tickets(signer: Signer, api: ApiClient) -> Tickets:
    """Return the tickets of this test's own tenant."""
    return Tickets(signer, api)


@pytest.mark.parametrize("content", WAYS)
def test_put(tickets: Tickets, content: bytes) -> None:
    """A ticket in the header or in the path stores a file inside its prefix."""
    token = tickets.token()
    assert tickets.anyone.using(token).put("in/a", content).status == 201
    answer = tickets.anyone.request("PUT", f"/u/{token}/sub/b%20c", content)
    assert answer.status == 201
    assert answer.header("Location") == "/v1/files/default/in/sub/b%20c"
    assert tickets.api.file("in/a").body == content
    assert tickets.api.file("in/sub/b%20c").body == content


@pytest.mark.parametrize("content", WAYS)
def test_outside(wharf: Wharf, tickets: Tickets, content: bytes) -> None:
    """Row 77: a ticket's bucket, prefix, key, method, size, type and number each have a refusal."""
    anyone = tickets.anyone
    with nothing_stored(wharf, tickets.api.tenant):
        by = anyone.using(tickets.token())
        assert by.put("in/a", content, bucket="photos").problem(403, "ticket-refused")["rule"] == (
            "bucket"
        )
        assert by.put("a", content).problem(403, "ticket-refused")["rule"] == "prefix"
        by = anyone.using(tickets.token(key="in/a"))
        assert by.put("in/b", content).problem(403, "ticket-refused")["rule"] == "key"
        by = anyone.using(tickets.token(methods=["POST"]))
        assert by.put("in/b", content).problem(403, "ticket-refused")["rule"] == "methods"
        small = tickets.token(max_file_bytes=len(content) - 1)
        document = anyone.request("PUT", f"/u/{small}/a", content).problem(413, "too-large")
        assert document["limit"] == "ticket's file limit"
        image = tickets.token(allowed_types=["image/*"])
        document = anyone.request("PUT", f"/u/{image}/a", content).problem(415, "type-not-allowed")
        assert document["allowed_types"] == ["image/*"]
    once = tickets.token(max_files=1)
    assert anyone.request("PUT", f"/u/{once}/a", content).status == 201
    anyone.request("PUT", f"/u/{once}/b", content).problem(403, "ticket-used-up")


def test_time(wharf: Wharf, signer: Signer, tickets: Tickets) -> None:
    """Row 77: an expired ticket is refused like any expired token."""
    now = int(time.time())
    token = signer.token(
        tid=tickets.api.tenant,
        iat=now - 900,
        exp=now - 61,
        ticket={"bucket": "default", "prefix": ""},
    )
    with nothing_stored(wharf, tickets.api.tenant):
        tickets.anyone.request("PUT", f"/u/{token}/a", SMALL).problem(401, "token-expired")


def test_refused_before_the_body(wharf: Wharf, tickets: Tickets) -> None:
    """A body over the ticket's size limit is refused before the client sends it."""
    token = tickets.token(max_file_bytes=1000)
    for target, field in (
        (f"/u/{token}/big", "Connection: close"),
        ("/v1/files/default/in/big", f"Authorization: Bearer {token}"),
    ):
        request = head(
            f"PUT {target} HTTP/1.1", "Content-Length: 1000000000", field, "Connection: close"
        )
        with nothing_stored(wharf, tickets.api.tenant):
            (answer,) = exchange(wharf.port, request)
            assert (answer.status, answer.slug) == (413, "too-large")


def test_chunks_are_cut(wharf: Wharf, tickets: Tickets) -> None:
    """A chunked body over the ticket's limit gets a 413, and leaves nothing behind."""
    token = tickets.token(max_file_bytes=1000)
    with nothing_stored(wharf, tickets.api.tenant):
        answer = tickets.anyone.request("PUT", f"/u/{token}/big", iter([LARGE]))
        assert answer.problem(413, "too-large")["limit_bytes"] == 1000


def test_no_length(wharf: Wharf, tickets: Tickets) -> None:
    """Row 11 applies to tickets: an upload with neither length nor chunks gets a 411."""
    with nothing_stored(wharf, tickets.api.tenant):
        for method, name in (("PUT", "/a"), ("POST", "")):
            line = f"{method} /u/{tickets.token()}{name} HTTP/1.1"
            (answer,) = exchange(wharf.port, head(line, "Connection: close"))
            assert (answer.status, answer.slug) == (411, "length-required")


def test_forms(tickets: Tickets) -> None:
    """A form by ticket stores its files below the prefix, and redirects as its ticket allows."""
    token = tickets.token(redirect=["https://app.example/done/"])
    body = multipart_body(field_part("prefix", "x"), file_part("a", b"1"), file_part("b", LARGE))
    answer = tickets.anyone.request("POST", f"/u/{token}", body, FORM)
    assert [file["key"] for file in answer.json()["files"]] == ["in/x/a", "in/x/b"]
    assert tickets.api.file("in/x/b").body == LARGE
    form = multipart_body(file_part("c"), field_part("redirect", "https://app.example/done/1"))
    answer = tickets.anyone.request("POST", f"/u/{token}", form, FORM)
    assert (answer.status, answer.header("Location")) == (303, "https://app.example/done/1")
    browser = {**FORM, "Accept": "text/html,*/*;q=0.8"}
    answer = tickets.anyone.request("POST", f"/u/{token}", multipart_body(file_part("d")), browser)
    assert (answer.status, answer.header("Location")) == (303, "https://app.example/done/")
    assert answer.body == b""


def test_open_redirect(wharf: Wharf, tickets: Tickets) -> None:
    """A form with a redirect that its ticket does not allow gets a 422, and stores nothing."""
    token = tickets.token(redirect=["https://app.example/done"])
    with nothing_stored(wharf, tickets.api.tenant):
        for target in ("https://evil.example/", "//evil.example", "https://app.example/done/x"):
            form = multipart_body(file_part("a"), field_part("redirect", target))
            answer = tickets.anyone.request("POST", f"/u/{token}", form, FORM)
            assert answer.problem(422, "unprocessable")["field"] == "redirect"


def test_curl(tickets: Tickets, tmp_path: Path) -> None:
    """`curl -T file` with an address that ends in a slash stores the file under its name."""
    path = tmp_path / "report.txt"
    path.write_bytes(LARGE)
    address = f"http://127.0.0.1:{tickets.api.port}/u/{tickets.token()}/"
    subprocess.run(["curl", "-fsST", path, address], check=True, capture_output=True)
    subprocess.run(
        ["curl", "-fsS", "-F", f"file=@{path};filename=form.txt", address[:-1]],
        check=True,
        capture_output=True,
    )
    assert tickets.api.file("in/report.txt").body == LARGE
    assert tickets.api.file("in/form.txt").body == LARGE


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "PATCH"])
def test_other_methods(tickets: Tickets, method: str) -> None:
    """A ticket can neither read nor delete: methods for this get a 405 at the ticket's address."""
    for name in ("", "/a"):
        assert tickets.anyone.request(method, f"/u/{tickets.token()}{name}").status == 405


@pytest.mark.parametrize("content", WAYS)
def test_two_credentials(wharf: Wharf, tickets: Tickets, content: bytes) -> None:
    """Row 4: a ticket in the path together with any other credential gets a 400."""
    token = tickets.token()
    with nothing_stored(wharf, tickets.api.tenant):
        for api, query in (
            (tickets.api, ""),
            (tickets.anyone.using(token), ""),
            (tickets.anyone, f"?access_token={token}"),
        ):
            answer = api.request("PUT", f"/u/{token}/a{query}", content)
            answer.problem(400, "credentials-ambiguous")
        # A token that is no ticket is refused in an address.
        answer = tickets.anyone.request("PUT", f"/u/{tickets.api.token}/a", content)
        answer.problem(401, "token-malformed")


def test_tickets_are_in_no_log(wharf: Wharf, tickets: Tickets) -> None:
    """Row 3: no log contains the ticket, in any spelling of its address, accepted or refused."""
    token, anyone = tickets.token(max_file_bytes=100), tickets.anyone
    answers = [
        anyone.request("PUT", f"/u/{token}/a", SMALL),
        anyone.request("PUT", f"/u/{token}/b", LARGE),
        anyone.request("POST", f"/u/{token}", multipart_body(file_part("a")), FORM),
        anyone.request("GET", f"/u/{token}/a"),
    ]
    for spelled in ("/%75/", "/x/../u/", "//u/", "/./u/", "/u//", "/u/../u/"):
        answers.append(anyone.request("PUT", f"{spelled}{token}/c", SMALL))
        answers.append(anyone.request("PUT", f"{spelled}{token}/d", LARGE))
    assert logged(wharf, [answer.header("X-Request-Id") for answer in answers])
    secret = token.rpartition(".")[2]
    for path in sorted((wharf.data / "log").iterdir()):
        text = path.read_text(encoding="utf-8", errors="replace")
        assert secret not in text, path.name
    for answer in answers:
        assert secret.encode() not in answer.body


def test_another_tenants_ticket(wharf: Wharf, signer: Signer, tickets: Tickets) -> None:
    """Row 67: a ticket of another tenant stores files only in the tenant of the ticket."""
    other = signer.client()
    tickets.api.stored("in/secret", b"ours")
    token = Tickets(signer, other).token()
    with nothing_stored(wharf, tickets.api.tenant):
        assert tickets.anyone.using(token).put("in/secret", b"theirs").status == 201
        answer = tickets.anyone.using(token).file("in/secret")
        answer.problem(403, "insufficient-scope")
    assert tickets.api.file("in/secret").body == b"ours"
    assert other.file("in/secret").body == b"theirs"


@pytest.mark.parametrize("content", WAYS)
def test_parallel_uses(tickets: Tickets, content: bytes) -> None:
    """Of ten concurrent uploads with a ticket for one file exactly one is stored."""
    token = tickets.token(max_files=1)
    statuses: list[int] = []

    def send(number: int) -> None:
        answer = tickets.anyone.request("PUT", f"/u/{token}/{number}", content)
        statuses.append(answer.status)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [201] + [403] * 9
    assert len(tickets.api.listed()) == 1


def test_a_long_ticket(tickets: Tickets) -> None:
    """A ticket of nearly the greatest length works for small and for spooled uploads."""
    pages = [f"https://app.example/{number}/{'x' * 180}" for number in range(22)]
    token = tickets.token(redirect=pages, prefix="p" * 200 + "/")
    assert 6500 < len(token) < 8192
    for number, content in enumerate((SMALL, LARGE)):
        answer = tickets.anyone.request("PUT", f"/u/{token}/{number}", content)
        assert answer.status == 201
        answer = tickets.anyone.using(token).put(f"{'p' * 200}/h{number}", content)
        assert answer.status == 201


def test_expect_with_a_ticket(wharf: Wharf, tickets: Tickets) -> None:
    """An upload with `Expect` and a used-up ticket gets its refusal and no `100 Continue`."""
    token = tickets.token(max_files=1)
    assert tickets.anyone.request("PUT", f"/u/{token}/a", SMALL).status == 201
    fields = ("Content-Length: 1000000", "Expect: 100-continue", "Connection: close")
    with RawConnection(wharf.port) as connection:
        connection.send(head(f"PUT /u/{token}/b HTTP/1.1", *fields))
        (answer,) = connection.answers()
    assert answer.status == 403
    assert answer.slug == "ticket-used-up"


@pytest.mark.parametrize("content", WAYS)
def test_a_form_sent_by_put(wharf: Wharf, tickets: Tickets, content: bytes) -> None:
    """A PUT of a form by ticket is refused, and does not use up the ticket."""
    token = tickets.token(max_files=1)
    with nothing_stored(wharf, tickets.api.tenant):
        answer = tickets.anyone.request("PUT", f"/u/{token}/a", content, FORM)
        answer.problem(415, "unsupported-media-type")
    assert tickets.anyone.request("PUT", f"/u/{token}/a", content).status == 201


def test_folders(tickets: Tickets) -> None:
    """A form with `paths=keep` stays below its ticket's prefix, or gets the ticket's only key."""
    body = multipart_body(field_part("paths", "keep"), file_part("trip/day/a.txt"))
    for rules, key in (({}, "in/trip/day/a.txt"), ({"key": "one.txt"}, "one.txt")):
        answer = tickets.anyone.request("POST", f"/u/{tickets.token(**rules)}", body, FORM)
        assert [file["key"] for file in answer.json()["files"]] == [key]
    leads_out = multipart_body(field_part("paths", "keep"), file_part("../../a.txt"))
    answer = tickets.anyone.request("POST", f"/u/{tickets.token()}", leads_out, FORM)
    answer.problem(400, "invalid-key")


def uwsgi_packet(**parameters: str) -> bytes:
    """Return a request as nginx sends it to the service (uwsgi protocol, modifier 0)."""
    body = b"".join(
        struct.pack("<H", len(text)) + text
        for pair in parameters.items()
        for text in (pair[0].encode(), pair[1].encode())
    )
    return struct.pack("<BHB", 0, len(body), 0) + body


def test_a_gateway_that_goes_away(wharf: Wharf, tickets: Tickets) -> None:
    """Row 3: uWSGI's own log lines about closed connections do not contain the ticket."""
    token = tickets.token()
    for number in range(50):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(wharf.data / "run" / "upload.sock"))
            connection.sendall(
                uwsgi_packet(
                    REQUEST_METHOD="PUT",
                    REQUEST_URI=f"/u/{token}/{number}",
                    PATH_INFO=f"/u/{token}/{number}",
                    CONTENT_LENGTH="0",
                    REQUEST_ID=f"gone-{number}",
                    REMOTE_ADDR="127.0.0.1",
                )
            )
    assert until(lambda: "gone-49" in wharf.log("upload"))
    assert token[:30] not in wharf.log("upload")


@pytest.mark.parametrize("content", WAYS)
def test_a_file_in_parts(tickets: Tickets, content: bytes) -> None:
    """By ticket a client can upload a file in parts, to the Location of the first response.

    The client needs no other credential.
    """
    token, anyone = tickets.token(max_files=1), tickets.anyone
    half = len(content) // 2
    begun = anyone.request("PUT", f"/u/{token}/a", content[:half], {"Upload-Complete": "?0"})
    assert begun.status == 201, begun.body
    tickets.api.file("in/a").problem(404, "not-found")
    address = begun.header("Location")
    seen = anyone.request("HEAD", address)
    assert (seen.status, seen.header("Upload-Offset")) == (204, str(half))
    last = {"Upload-Offset": str(half), "Upload-Complete": "?1"}
    partial = {"Content-Type": "application/partial-upload", **last}
    ended = anyone.request("PATCH", address, content[half:], partial)
    assert (ended.status, ended.header("Location")) == (201, "/v1/files/default/in/a")
    assert tickets.api.file("in/a").body == content
    assert anyone.request("GET", address).header("Upload-Complete") == "?1"
    anyone.request("PUT", f"/u/{token}/b", content).problem(403, "ticket-used-up")


def test_a_long_ticket_in_parts(tickets: Tickets) -> None:
    """The address of an upload can contain a ticket of nearly the greatest length."""
    pages = [f"https://app.example/{number}/{'x' * 180}" for number in range(22)]
    token = tickets.token(redirect=pages, prefix="p" * 200 + "/")
    for content in (b"", LARGE):
        begun = tickets.anyone.request(
            "PUT", f"/u/{token}/{len(content)}", content, {"Upload-Complete": "?0"}
        )
        assert begun.status == 201
        assert tickets.anyone.request("HEAD", begun.header("Location")).status == 204


def test_an_upload_by_ticket_is_in_no_log(wharf: Wharf, tickets: Tickets) -> None:
    """Row 3: no log contains the ticket in the address of an upload."""
    token = tickets.token()
    begun = tickets.anyone.request("PUT", f"/u/{token}/a", b"", {"Upload-Complete": "?0"})
    address = begun.header("Location")
    answers = [
        begun,
        tickets.anyone.request("HEAD", address),
        tickets.anyone.request("PATCH", address, b"x", {"Upload-Offset": "5"}),
        tickets.anyone.request("DELETE", address),
    ]
    assert logged(wharf, [answer.header("X-Request-Id") for answer in answers])
    secret = token.rpartition(".")[2]
    for path in sorted((wharf.data / "log").iterdir()):
        assert secret not in path.read_text(encoding="utf-8", errors="replace"), path.name
