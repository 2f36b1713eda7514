"""Tests of uploads with a ticket: every way of sending applies every rule of the ticket."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from servicekit.tickets import Ticket
from tests.servers.upload import BOUNDARY, UploadService, form_body
from wharf_upload.access.tickets import TicketRefused, require

FORM = f"multipart/form-data; boundary={BOUNDARY}"
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00"
NO_ID = {"prefix": "in/", "bucket": "default"}


def ticket(upload: UploadService, **rules: Any) -> str:
    """Return a ticket for the folder `in/` of bucket `default`, unless the rules change that."""
    named = rules if "key" in rules else {"prefix": "in/", **rules}
    return upload.issuer.token(
        tid=upload.tenant, scope="files:write", ticket={"bucket": "default", **named}
    )


def send(
    upload: UploadService,
    method: str,
    path: str,
    body: bytes = b"hello",
    headers: Mapping[str, str | None] | None = None,
    *,
    spooled: bool = False,
) -> TestResponse:
    """Send a request as the gateway does, with an Authorization field only if one is given."""
    fields = {"Authorization": "", **{k: v for k, v in (headers or {}).items() if v is not None}}
    if method == "POST":
        fields.setdefault("Content-Type", FORM)
    if method == "POST" or spooled:
        return upload._spool(method, path, body, fields)
    return upload.request(method, path, body, fields)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def refused(reply: TestResponse) -> tuple[int, str, dict[str, Any]]:
    """Return status, slug and members of a refusal, from the response or the denial."""
    text = reply.headers.get("X-Denied-Problem") or reply.text
    problem = json.loads(text)
    return problem["status"], problem["type"].removeprefix("/problems/"), problem


def rule(reply: TestResponse) -> str:
    """Return the ticket's rule that refused."""
    status, slug, problem = refused(reply)
    assert (status, slug) == (403, "ticket-refused"), problem
    return str(problem["rule"])


@pytest.mark.parametrize("spooled", [False, True])
def test_put_inside(upload: UploadService, spooled: bool) -> None:  # noqa: FBT001 -- a parameter
    """A file within the ticket is stored, by header and by path, in memory and spooled."""
    token = ticket(upload)
    reply = send(
        upload, "PUT", "/v1/files/default/in/a.txt", headers=bearer(token), spooled=spooled
    )
    assert reply.status_code == 201
    reply = send(upload, "PUT", f"/u/{token}/sub/b%20c.txt", spooled=spooled)
    assert reply.status_code == 201
    assert upload.content("in/a.txt") == b"hello"
    assert upload.content("in/sub/b%20c.txt") == b"hello"


@pytest.mark.parametrize("spooled", [False, True])
def test_put_outside(upload: UploadService, spooled: bool) -> None:  # noqa: FBT001 -- a parameter
    """Row 77: another bucket, prefix, key or method is refused, and the refusal names the rule."""
    upload.request("PUT", "/v1/buckets/photos", b"{}", {"Content-Type": "application/json"})
    for path, name in (
        ("photos/in/a", "bucket"),
        # A ticket must not reveal whether another bucket exists.
        ("nowhere/in/a", "bucket"),
        ("default/a", "prefix"),
        ("default/in", "prefix"),
        ("default/inn/a", "prefix"),
    ):
        target = f"/v1/files/{path}"
        reply = send(upload, "PUT", target, headers=bearer(ticket(upload)), spooled=spooled)
        assert rule(reply) == name
    one = bearer(ticket(upload, key="in/a"))
    reply = send(upload, "PUT", "/v1/files/default/in/ab", headers=one, spooled=spooled)
    assert rule(reply) == "key"
    token = ticket(upload, methods=["POST"])
    assert rule(send(upload, "PUT", f"/u/{token}/a", spooled=spooled)) == "methods"
    token = ticket(upload, methods=["PUT"])
    assert rule(send(upload, "POST", f"/u/{token}", form_body([("a", b"x")]))) == "methods"
    assert upload.blobs() == set()


def test_dots_do_not_lead_out(upload: UploadService) -> None:
    """A name cannot climb out of the ticket's folder."""
    token = ticket(upload)
    for name in ("../a", "%2e%2e/a", "..%2fa", "x/../../a", "", "/a", "a//b"):
        status, slug, _ = refused(send(upload, "PUT", f"/u/{token}/{name}"))
        assert (status, slug) in {(400, "invalid-key"), (403, "ticket-refused")}, name
    assert upload.blobs() == set()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/files/default/in/a.txt"),
        ("HEAD", "/v1/files/default/in/a.txt"),
        ("DELETE", "/v1/files/default/in/a.txt"),
        ("GET", "/v1/files/default"),
        ("GET", "/v1/metadata/default/in/a.txt"),
        ("PATCH", "/v1/metadata/default/in/a.txt"),
        ("GET", "/v1/buckets"),
        ("PUT", "/v1/buckets/default"),
        ("GET", "/v1/usage"),
    ],
)
def test_uploads_only(upload: UploadService, method: str, path: str) -> None:
    """A ticket with any scopes can read, list, change and delete nothing."""
    upload.put("in/a.txt", b"there")
    token = upload.issuer.token(
        scope="files:read files:write files:delete buckets:admin",
        ticket={"bucket": "default", "prefix": "in/"},
    )
    reply = upload.request(method, path, b"", bearer(token))
    assert reply.status_code == 403
    assert upload.content("in/a.txt") == b"there"


def test_a_ticket_needs_the_scope(upload: UploadService) -> None:
    """A ticket from a token without the scope to write is refused."""
    token = upload.issuer.token(scope="files:read", ticket={"bucket": "default", "prefix": ""})
    assert refused(send(upload, "PUT", f"/u/{token}/a"))[:2] == (403, "insufficient-scope")


@pytest.mark.parametrize("spooled", [False, True])
def test_size(upload: UploadService, spooled: bool) -> None:  # noqa: FBT001 -- a parameter
    """The ticket's size limit is checked before and after the body, and the refusal names it."""
    token = ticket(upload, max_file_bytes=5)
    assert send(upload, "PUT", f"/u/{token}/a", b"12345", spooled=spooled).status_code == 201
    status, slug, problem = refused(
        send(upload, "PUT", f"/u/{token}/b", b"123456", spooled=spooled)
    )
    assert (status, slug) == (413, "too-large")
    assert (problem["limit"], problem["limit_bytes"]) == ("ticket's file limit", 5)
    fields = {"Content-Type": FORM}
    reply = upload._spool(
        "POST", f"/u/{token}", form_body([("c", b"123456")]), {"Authorization": "", **fields}
    )
    assert refused(reply)[:2] == (413, "too-large")


def test_the_buckets_limit_goes_on(upload: UploadService) -> None:
    """A ticket that allows more than the bucket does not extend the bucket's limits."""
    policy = json.dumps({"max_file_bytes": 3, "allowed_types": ["image/png"]}).encode()
    upload.request("PUT", "/v1/buckets/small", policy, {"Content-Type": "application/json"})
    token = ticket(upload, bucket="small", max_file_bytes=100, allowed_types=["*/*"])
    problem = refused(send(upload, "PUT", f"/u/{token}/a", b"1234"))[2]
    assert problem["limit"] == "bucket's file limit"
    assert refused(send(upload, "PUT", f"/u/{token}/a", b"12"))[1] == "type-not-allowed"


def test_types(upload: UploadService) -> None:
    """The ticket's types are compared with the bytes, and the name must not contradict them."""
    token = ticket(upload, allowed_types=["image/*"])
    html = b"<!DOCTYPE html><html><script>alert(1)</script></html>"
    for reply in (
        send(upload, "PUT", f"/u/{token}/cat.png", html, {"Content-Type": "image/png"}),
        send(upload, "PUT", f"/u/{token}/cat.png", html, spooled=True),
        send(upload, "POST", f"/u/{token}", form_body([("cat.png", html)])),
    ):
        status, slug, problem = refused(reply)
        assert (status, slug) == (415, "type-not-allowed")
        assert problem["media_type"] == "text/html"
        assert "this ticket takes image/*" in problem["detail"]
    assert refused(send(upload, "PUT", f"/u/{token}/cat.txt", PNG))[1] == "type-not-allowed"
    assert send(upload, "PUT", f"/u/{token}/cat.png", PNG).status_code == 201


def test_number_of_files(upload: UploadService) -> None:
    """The files of all requests and forms are counted, and a file above the ticket's number is
    refused before its body.
    """
    token = ticket(upload, max_files=3)
    assert send(upload, "PUT", f"/u/{token}/a").status_code == 201
    reply = send(upload, "POST", f"/u/{token}", form_body([(n, b"x") for n in "bcd"]))
    assert refused(reply)[:2] == (403, "ticket-used-up")
    assert upload.content("in/b") is None
    reply = send(upload, "POST", f"/u/{token}", form_body([("b", b"x"), ("c", b"x")]))
    assert reply.status_code == 201
    environ = {"WHARF_STEP": "admit", "CONTENT_LENGTH": "1000000"}
    reply = upload.request("PUT", f"/u/{token}/d", b"", {"Authorization": ""}, environ)
    status, slug, problem = refused(reply)
    assert (status, slug, problem["max_files"]) == (403, "ticket-used-up", 3)
    assert refused(send(upload, "PUT", f"/u/{token}/d"))[1] == "ticket-used-up"


def test_a_refusal_is_no_use(upload: UploadService) -> None:
    """A file that is refused for its type does not use up the ticket."""
    token = ticket(upload, max_files=1, allowed_types=["image/*"])
    assert send(upload, "PUT", f"/u/{token}/cat.png").status_code == 415
    assert send(upload, "PUT", f"/u/{token}/cat.png", PNG).status_code == 201


def test_replays(upload: UploadService) -> None:
    """A repeated request with an Idempotency-Key is replayed, even if the ticket is used up."""
    token, key = ticket(upload, max_files=1), {"Idempotency-Key": "k"}
    first = send(upload, "PUT", f"/u/{token}/a", headers=key)
    for spooled in (False, True):
        again = send(upload, "PUT", f"/u/{token}/a", headers=key, spooled=spooled)
        assert (again.status_code, again.json) == (201, first.json)
        assert again.headers["Idempotent-Replayed"] == "true"
    form = form_body([("f", b"x")])
    token = ticket(upload, max_files=1)
    assert send(upload, "POST", f"/u/{token}", form, key).status_code == 201
    assert send(upload, "POST", f"/u/{token}", form, key).headers["Idempotent-Replayed"] == "true"


def test_idempotency_keys_of_tickets_are_their_own(upload: UploadService) -> None:
    """A ticket's Idempotency-Keys are separate from those of the client that made the ticket."""
    token, key = ticket(upload), {"Idempotency-Key": "k"}
    assert send(upload, "PUT", f"/u/{token}/a", headers=key).status_code == 201
    assert upload.put("b", b"other", key).status_code == 201


@pytest.mark.parametrize("spooled", [False, True])
def test_a_prefix_replaces_nothing(upload: UploadService, spooled: bool) -> None:  # noqa: FBT001 -- a parameter
    """A ticket for a prefix does not replace a file, even with a matching If-Match."""
    upload.put("in/a", b"there")
    token = ticket(upload)
    reply = send(upload, "PUT", f"/u/{token}/a", spooled=spooled)
    status, slug, problem = refused(reply)
    assert (status, slug, problem["key"]) == (409, "key-taken", "in/a")
    any_tag = {"If-Match": "*"}
    assert refused(send(upload, "PUT", f"/u/{token}/a", headers=any_tag))[1] == "key-taken"
    none = {"If-None-Match": "*"}
    assert refused(send(upload, "PUT", f"/u/{token}/a", headers=none))[1] == "precondition-failed"
    form = form_body([("a", b"x")], {"on_conflict": "replace"})
    assert rule(send(upload, "POST", f"/u/{token}", form)) == "replace"
    assert upload.content("in/a") == b"there"


@pytest.mark.parametrize("path", ["", "/", "/whatever.png"])
def test_a_key_is_the_files_key(upload: UploadService, path: str) -> None:
    """With a ticket for a key a file of any name gets that key and replaces the file there."""
    upload.put("in/7.png", b"old")
    token = ticket(upload, key="in/7.png")
    reply = send(upload, "PUT", f"/u/{token}{path}", PNG)
    assert reply.status_code == 201
    assert upload.content("in/7.png") == PNG
    assert refused(send(upload, "PUT", f"/u/{token}", headers={"If-None-Match": "*"}))[0] == 412


def test_a_key_that_is_only_created(upload: UploadService) -> None:
    """A ticket for a key with `create_only` does not replace a file, by `PUT` or by form."""
    token = ticket(upload, key="in/7.png", create_only=True)
    form = form_body([("x.png", PNG)])
    assert send(upload, "POST", f"/u/{token}", form).status_code == 201
    assert refused(send(upload, "PUT", f"/u/{token}", PNG))[1] == "key-taken"
    assert refused(send(upload, "POST", f"/u/{token}", form))[1] == "key-taken"
    replacing = form_body([("x.png", PNG)], {"on_conflict": "replace"})
    assert rule(send(upload, "POST", f"/u/{token}", replacing)) == "replace"
    assert upload.content("in/7.png") == PNG


def test_forms_go_below_the_prefix(upload: UploadService) -> None:
    """The keys of a form have the ticket's prefix, the form's prefix and the name."""
    for path, headers, folder in (
        (f"/u/{ticket(upload)}", {}, "x"),
        (f"/u/{ticket(upload)}/", {}, "y/"),
        ("/v1/files/default", bearer(ticket(upload)), "z"),
    ):
        form = form_body([("a.txt", b"1")], {"prefix": folder})
        reply = send(upload, "POST", path, form, headers)
        assert reply.status_code == 201, reply.text
        assert upload.content(f"in/{folder.rstrip('/')}/a.txt") == b"1"
    # For a form, a prefix without a slash at its end is also a folder.
    token = ticket(upload, prefix="out")
    reply = send(upload, "POST", f"/u/{token}", form_body([("a.txt", b"1")]))
    assert reply.json is not None
    assert reply.json["files"][0]["key"] == "out/a.txt"


def test_forms_rename(upload: UploadService) -> None:
    """If a name is taken, a form with a ticket renames its file within the ticket's prefix."""
    token = ticket(upload)
    for expected in ("in/a.txt", "in/a (2).txt"):
        reply = send(upload, "POST", f"/u/{token}", form_body([("a.txt", b"1")]))
        assert reply.json is not None
        assert reply.json["files"][0]["key"] == expected


def test_forms_outside(upload: UploadService) -> None:
    """A form for another bucket, a prefix that leads out, and a POST to a name are refused."""
    token, form = ticket(upload), form_body([("a", b"1")])
    assert rule(send(upload, "POST", "/v1/files/photos", form, bearer(token))) == "bucket"
    climbing = form_body([("a", b"1")], {"prefix": "../x"})
    assert refused(send(upload, "POST", f"/u/{token}", climbing))[:2] == (400, "invalid-key")
    status, slug, _ = refused(send(upload, "POST", f"/u/{token}/name", form))
    assert (status, slug) == (405, "method-not-allowed")
    assert upload.blobs() == set()


def test_forms_with_a_key(upload: UploadService) -> None:
    """A ticket for a key takes a form with one file, stored under that key, and no other form."""
    token = ticket(upload, key="in/7.png", allowed_types=["image/png"])
    reply = send(upload, "POST", f"/u/{token}", form_body([("C:\\me\\photo.jpeg", PNG)]))
    assert reply.json is not None
    assert reply.json["files"][0]["key"] == "in/7.png"
    assert reply.json["files"][0]["filename"] == "7.png"
    two = form_body([("a.png", PNG), ("b.png", PNG)])
    assert rule(send(upload, "POST", f"/u/{token}", two)) == "key"
    elsewhere = form_body([("a.png", PNG)], {"prefix": "x"})
    assert rule(send(upload, "POST", f"/u/{token}", elsewhere)) == "key"
    renamed = form_body([("a.png", PNG)], {"on_conflict": "rename"})
    assert rule(send(upload, "POST", f"/u/{token}", renamed)) == "key"
    careful = form_body([("a.png", PNG)], {"on_conflict": "error"})
    assert refused(send(upload, "POST", f"/u/{token}", careful))[:2] == (409, "key-taken")
    assert send(upload, "POST", f"/u/{token}", form_body([("a.png", PNG)])).status_code == 201


REDIRECT = "https://app.example/done"
PAGES = ["https://app.example/first", "https://app.example/folder/"]
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def test_redirect(upload: UploadService) -> None:
    """A form ends with 303 to the allowed page that the form names. A browser's form without a
    page goes to the ticket's first page.
    """
    token = ticket(upload, redirect=PAGES)
    form = form_body([("a", b"1")], {"redirect": "https://app.example/folder/x"})
    reply = send(upload, "POST", f"/u/{token}", form)
    assert (reply.status_code, reply.headers["Location"]) == (303, "https://app.example/folder/x")
    reply = send(upload, "POST", f"/u/{token}", form_body([("b", b"1")]), BROWSER)
    assert (reply.status_code, reply.headers["Location"]) == (303, PAGES[0])
    # Scripts and curl want the JSON.
    reply = send(upload, "POST", f"/u/{token}", form_body([("c", b"1")]), {"Accept": "*/*"})
    assert reply.status_code == 201
    assert [upload.content(f"in/{name}") for name in "abc"] == [b"1"] * 3


@pytest.mark.parametrize(
    ("wanted", "came_from", "back"),
    [
        ("https://app.example/folder/x", None, "https://app.example/folder/x"),
        (
            "https://app.example/folder/x",
            "https://app.example/form",
            "https://app.example/folder/x",
        ),
        (None, "https://app.example/form", "https://app.example/form"),
        (None, None, PAGES[0]),
        ("https://evil.example/", "https://app.example/form", "https://app.example/form"),
        ("https://evil.example/", None, PAGES[0]),
    ],
)
@pytest.mark.parametrize("last", [False, True])
def test_the_way_back_of_a_refusal(
    upload: UploadService, wanted: str | None, came_from: str | None, back: str, *, last: bool
) -> None:
    """The page of a refused form links to the allowed page that the form names anywhere, else to
    the referring page, else to the ticket's page.
    """
    token = ticket(upload, redirect=PAGES, allowed_types=["image/png"])
    parts = form_body([("a.png", b"no picture")]), form_body([], {"redirect": wanted or ""})
    whole = parts if last else parts[::-1]
    end = f"--{BOUNDARY}--\r\n".encode()
    body = b"".join(part.removesuffix(end) for part in (whole if wanted else parts[:1])) + end
    headers = {**BROWSER, **({"Referer": came_from} if came_from else {})}
    reply = send(upload, "POST", f"/u/{token}", body, headers)
    assert reply.status_code in (415, 422), reply.text
    assert f'<a href="{back}">Go back</a>' in reply.text
    assert upload.blobs() == set()


def test_the_way_back_before_the_body(upload: UploadService) -> None:
    """The page of a form that is refused before its body links to the ticket's page.

    If the ticket has expired, the page has no link.
    """
    token = ticket(upload, redirect=PAGES, max_files=1)
    form = form_body([("a.png", b"1")], {"redirect": PAGES[1]})
    assert send(upload, "POST", f"/u/{token}", form).status_code == 303
    denied = send(upload, "POST", f"/u/{token}", form, BROWSER)
    assert denied.headers["X-Denied-Status"] == "403"
    assert f'<a href="{PAGES[0]}">Go back</a>' in denied.headers["X-Denied-Problem"]
    late = upload.issuer.token(exp=1_700_000_000, iat=1_699_999_999, ticket={"redirect": PAGES})
    denied = send(upload, "POST", f"/u/{late}", form, BROWSER)
    assert denied.headers["X-Denied-Status"] == "401"
    assert "Go back with your browser." in denied.headers["X-Denied-Problem"]


def test_redirect_elsewhere(upload: UploadService) -> None:
    """A page that is not allowed gets 422, and nothing is stored, even if its field comes last."""
    token = ticket(upload, redirect=PAGES)
    for target in ("https://evil.example/", "/done", "javascript:alert(1)", ""):
        field = form_body([], {"redirect": target}).partition(f"--{BOUNDARY}--".encode())[0]
        form = form_body([("a", b"1")]).replace(f"--{BOUNDARY}--".encode(), b"", 1)
        body = form.rstrip(b"\r\n") + b"\r\n" + field + f"--{BOUNDARY}--\r\n".encode()
        status, slug, problem = refused(send(upload, "POST", f"/u/{token}", body))
        assert (status, slug, problem["field"]) == (422, "unprocessable", "redirect"), target
    assert upload.blobs() == set()


def test_redirect_to_an_origin_of_the_bucket(upload: UploadService) -> None:
    """Pages of the bucket's CORS origins are allowed, with a ticket or an ordinary token."""
    policy = json.dumps({"cors_origins": ["https://app.example"]}).encode()
    upload.request("PUT", "/v1/buckets/pages", policy, {"Content-Type": "application/json"})
    form = form_body([("a", b"1")], {"redirect": REDIRECT})
    reply = upload.post_form(form, bucket="pages")
    assert (reply.status_code, reply.headers["Location"]) == (303, REDIRECT)
    assert refused(upload.post_form(form))[:2] == (422, "unprocessable")


def test_credentials_in_the_path(upload: UploadService) -> None:
    """Rows 3, 4: a path may contain only a ticket, and the request has no other credential."""
    token, whole = ticket(upload), upload.issuer.token()
    for headers, query in (
        (bearer(whole), ""),
        (bearer(token), ""),
        ({}, f"?access_token={whole}"),
    ):
        reply = send(upload, "PUT", f"/u/{token}/a{query}", headers=headers)
        assert refused(reply)[:2] == (400, "credentials-ambiguous")
    assert refused(send(upload, "PUT", f"/u/{whole}/a"))[:2] == (401, "token-malformed")
    assert refused(send(upload, "PUT", "/u/"))[:2] == (401, "token-missing")
    assert refused(send(upload, "PUT", "/u/x.y.z/a"))[:2] == (401, "token-malformed")
    old = upload.issuer.token(exp=1_700_000_000, iat=1_699_999_999, ticket=NO_ID)
    assert refused(send(upload, "PUT", f"/u/{old}/a"))[:2] == (401, "token-expired")
    assert upload.blobs() == set()


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "PATCH"])
def test_other_methods(upload: UploadService, method: str) -> None:
    """A ticket's address returns 405 for other methods, and lists the methods that it takes."""
    for path, allowed in (("", {"PUT", "POST"}), ("/a", {"PUT"})):
        reply = upload.request(method, f"/u/{ticket(upload)}{path}", headers={"Authorization": ""})
        assert reply.status_code == 405
        assert set(reply.headers["Allow"].split(", ")) - {"OPTIONS"} == allowed


_NAMES = st.sampled_from(["a", "in", "in/", "in/a", "in/ab", "in/a/b", "out/a"])
_TICKETS = st.builds(
    lambda bucket, place, key, methods: Ticket(
        bucket=bucket,
        key=place if key else None,
        prefix=None if key else place,
        methods=methods,
    ),
    st.sampled_from(["default", "photos"]),
    _NAMES | st.just(""),
    st.booleans(),
    st.sampled_from([("PUT", "POST"), ("PUT",), ("POST",)]),
)


@given(
    _TICKETS,
    st.sampled_from(["PUT", "POST", "GET"]),
    st.sampled_from(["default", "photos"]),
    _NAMES,
)
def test_what_passes_is_inside(ticket: Ticket, method: str, bucket: str, key: str) -> None:
    """A request passes exactly if it has the ticket's bucket and method, and its key or prefix."""
    inside = (
        method in ticket.methods
        and bucket == ticket.bucket
        and (key == ticket.key if ticket.prefix is None else key.startswith(ticket.prefix))
    )
    if inside:
        require(ticket, method, bucket, key)
        require(ticket, method, bucket)
    else:
        with pytest.raises(TicketRefused):
            require(ticket, method, bucket, key)
