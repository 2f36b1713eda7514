"""Tests that a file is refused from the second in which it expires, without a sweep."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.servers.upload import UploadService, form_body, new_file
from wharf_upload.domain.clock import now_milliseconds

JSON = {"Content-Type": "application/json"}
NO_KEY: Mapping[str, str] = {}
FILE, KNOWN = "/v1/files/default/a.txt", "/v1/metadata/default/a.txt"


@pytest.fixture
def stored(upload: UploadService) -> UploadService:
    """Return a service with two files in a public bucket."""
    upload.request("PUT", "/v1/buckets/default", b'{"public": true}', JSON)
    upload.put("a.txt", b"text")
    upload.put("b.txt", b"other")
    return upload


def post(upload: UploadService, path: str, **document: Any) -> TestResponse:
    return upload.request("POST", path, json.dumps(document).encode(), JSON)


def move(upload: UploadService, headers: Mapping[str, str] = NO_KEY) -> TestResponse:
    """Move `a.txt` to another key."""
    places = {
        name: {"bucket": "default", "key": key} for name, key in (("from", "a.txt"), ("to", "c"))
    }
    body = json.dumps({**places, "move": True}).encode()
    return upload.request("POST", "/v1/copies", body, {**JSON, **headers})


def shown(upload: UploadService, path: str) -> TestResponse:
    """Return the response to the gateway's question about a link or a public address."""
    environ = {"WHARF_STEP": "share", "QUERY_STRING": "", "REQUEST_URI": path}
    return upload.request("GET", path, environ=environ)


def end(upload: UploadService, ago: int) -> None:
    """Let `a.txt` expire this many milliseconds ago."""
    with upload.database.transaction() as connection:
        connection.execute(
            "UPDATE files SET expires_at = ? WHERE key = 'a.txt'", (now_milliseconds() - ago,)
        )


WAYS: dict[str, tuple[Callable[[UploadService], TestResponse], int]] = {
    "get": (lambda upload: upload.request("GET", FILE), 404),
    "head": (lambda upload: upload.request("HEAD", FILE), 404),
    "unchanged": (lambda upload: upload.request("GET", FILE, headers={"If-None-Match": "*"}), 404),
    "part": (lambda upload: upload.request("GET", FILE, headers={"Range": "bytes=0-1"}), 404),
    "metadata": (lambda upload: upload.request("GET", KNOWN), 404),
    "change": (lambda upload: upload.request("PATCH", KNOWN, b"{}", JSON), 404),
    "longer": (lambda upload: upload.request("PATCH", KNOWN, b'{"expires_at": null}', JSON), 404),
    "delete": (lambda upload: upload.request("DELETE", FILE), 404),
    "move": (move, 404),
    # With an Idempotency-Key only the transaction checks the precondition.
    "move once": (lambda upload: move(upload, {"Idempotency-Key": "once"}), 404),
    "link": (lambda upload: post(upload, "/v1/links", bucket="default", key="a.txt"), 404),
    "public": (lambda upload: shown(upload, "/public/demo/default/a.txt"), 403),
    "only there": (lambda upload: upload.put("a.txt", b"new", {"If-Match": "*"}), 412),
    "only there, spooled": (
        lambda upload: upload.put("a.txt", b"new", {"If-Match": "*"}, spooled=True),
        412,
    ),
}


@pytest.mark.parametrize("ago", [0, 3_600_000])
@pytest.mark.parametrize("way", WAYS)
def test_an_expired_file_is_refused(stored: UploadService, way: str, ago: int) -> None:
    """Every request for an expired file treats it as absent, however long ago it expired."""
    send, status = WAYS[way]
    end(stored, ago)
    reply = send(stored)
    # nginx sends the response that the admission decided.
    assert int(reply.headers.get("X-Denied-Status", reply.status_code)) == status
    row = stored.records.file("demo", "default", "a.txt")
    assert row is not None  # The file was not swept yet.


def test_links_to_an_expired_file(stored: UploadService) -> None:
    """Links to an expired file show nothing, and a folder's link still shows the other files."""
    alone = post(stored, "/v1/links", bucket="default", key="a.txt").get_json()["url"]
    folder = post(stored, "/v1/links", bucket="default", prefix="").get_json()["url"]
    for path in (alone, f"{folder}a.txt"):
        assert shown(stored, path).status_code == 204
    end(stored, 0)
    for path in (alone, f"{folder}a.txt"):
        assert shown(stored, path).status_code == 403
        assert stored.request("GET", path, headers={"If-Match": "*"}).status_code == 404
    assert shown(stored, f"{folder}b.txt").status_code == 204


def test_an_expired_file_is_in_no_list(stored: UploadService) -> None:
    """No list has an expired file, and a bucket with only expired files can be deleted."""
    end(stored, 0)
    listed = stored.request("GET", "/v1/files/default").get_json()["files"]
    assert [file["key"] for file in listed] == ["b.txt"]
    stored.request("PUT", "/v1/buckets/brief", b"{}", JSON)
    stored.put("a.txt", b"x", bucket="brief")
    assert stored.request("DELETE", "/v1/buckets/brief").status_code == 409
    end(stored, 0)
    assert stored.request("DELETE", "/v1/buckets/brief").status_code == 204


@pytest.mark.parametrize("spooled", [False, True])
def test_its_key_is_free(stored: UploadService, *, spooled: bool) -> None:
    """The key of an expired file can be taken.

    A create-only upload, a form that replaces nothing, and a move can take it.
    """
    end(stored, 0)
    reply = stored.put("a.txt", b"new", {"If-None-Match": "*"}, spooled=spooled)
    assert reply.status_code == 201
    end(stored, 0)
    for choice in ("error", "rename"):
        form = stored.post_form(form_body([("a.txt", b"1")], {"on_conflict": choice}))
        assert form.get_json()["files"][0]["key"] == "a.txt"
        end(stored, 0)
    places = {name: {"bucket": "default", "key": f"{name}.txt"} for name in ("b", "a")}
    moved = post(stored, "/v1/copies", **{"from": places["b"], "to": places["a"]}, move=True)
    assert (moved.status_code, stored.content("a.txt")) == (201, b"other")


def test_the_end_is_over() -> None:
    """A file is expired from the millisecond `expires_at` on. A file without `expires_at` never
    expires.
    """
    file = new_file("k", expires_at=1000)
    assert [file.is_expired(now) for now in (999, 1000, 1001)] == [False, True, True]
    assert not new_file("k").is_expired(1 << 60)
