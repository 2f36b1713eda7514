"""Tests that a path is read as it was sent, without Flask's own parsing."""

from __future__ import annotations

import pytest

from tests.servers.upload import UploadService

OPEN_PATHS = (
    "/v1/files/default/a/b.txt",
    "/v1/files/default",
    "/v1/files//x",
    "/v1/files/default/a%0Ab",
    "/u/abc/name",
    "/s/x/below/it",
    "/public/a/b/c",
    "/public//x",
    "/v1/uploads",
    "/v1/uploads/abc/def",
)


@pytest.mark.parametrize("path", OPEN_PATHS)
def test_preflight(upload: UploadService, path: str) -> None:
    """A preflight of any address of uploads and files gets 204, unusual addresses included."""
    fields = {"Origin": "https://a.example", "Access-Control-Request-Method": "PUT"}
    reply = upload.request("OPTIONS", path, headers=fields)
    assert reply.status_code == 204, reply.text
    assert "Origin" in reply.headers["Vary"]


@pytest.mark.parametrize("path", ["/s/", "/s/x", "/s/x/y", "/public/", "/public//x", "/public/a/b"])
def test_nothing_is_shared(upload: UploadService, path: str) -> None:
    """An address that shares nothing gets 404 with the text that the gateway also sends."""
    reply = upload.request("GET", path)
    assert (reply.status_code, reply.get_json()["detail"]) == (404, "Nothing is here.")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/files/"),
        ("GET", "/v1/files"),
        ("HEAD", "/v1/uploads/../x"),
        ("DELETE", "/v1/uploadsx"),
        ("PUT", "/v1/files//x/"),
    ],
)
def test_no_address(upload: UploadService, method: str, path: str) -> None:
    """At an address that takes only preflights, any other request gets 404, or 400 for an invalid
    key, but never 405.
    """
    assert upload.request(method, path).status_code in {400, 404}


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PATCH", "/v1/files/default/a", "DELETE, GET, HEAD, OPTIONS, PUT"),
        ("PUT", "/v1/files/default", "GET, HEAD, OPTIONS, POST"),
        ("POST", "/s/x/y", "GET, HEAD, OPTIONS"),
        ("DELETE", "/public/a/b/c", "GET, HEAD, OPTIONS"),
        ("DELETE", "/v1/uploads", "GET, HEAD, OPTIONS, POST"),
    ],
)
def test_other_methods(upload: UploadService, method: str, path: str, allowed: str) -> None:
    """A method that an address does not take gets 405, and `Allow` lists the methods it takes."""
    reply = upload.request(method, path)
    assert (reply.status_code, reply.headers["Allow"]) == (405, allowed)


@pytest.mark.parametrize("name", ["n.txt", "/n.txt", "%2Fn.txt", "a%0Ab"])
def test_a_ticket_with_a_key_ignores_the_name(upload: UploadService, name: str) -> None:
    """With a ticket for a key a large body is stored, with any name in its address."""
    rules = {"bucket": "default", "key": "one.txt", "methods": ["PUT"]}
    token = upload.issuer.token(tid=upload.tenant, scope="files:write", ticket=rules)
    path, headers = f"/u/{token}/{name}", {"Authorization": ""}
    environ = {"WHARF_STEP": "admit", "CONTENT_LENGTH": "3"}
    admitted = upload.request("PUT", path, b"", headers, environ)
    assert admitted.status_code == 204, admitted.headers
    spool_file = upload.settings.spool_folder / "1"
    spool_file.write_bytes(b"abc")
    environ = {"SPOOL_FILE": str(spool_file), "ADMISSION": admitted.headers["X-Admission"]}
    assert upload.request("PUT", path, b"", headers, environ).status_code == 201
    assert upload.content("one.txt") == b"abc"
