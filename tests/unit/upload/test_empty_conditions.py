"""Tests that an empty If-Match is an error of the client, and not a request without a condition."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from werkzeug.test import TestResponse

from tests.servers.upload import UploadService, form_body

EMPTY = {"If-Match": ""}
FILE = "/v1/files/default/a.txt"
JSON = {"Content-Type": "application/json"}
MOVE = (
    b'{"from": {"bucket": "default", "key": "a.txt"}, '
    b'"to": {"bucket": "default", "key": "b.txt"}, "move": true}'
)
WAYS: dict[str, Callable[[UploadService], TestResponse]] = {
    "PUT": lambda upload: upload.put("a.txt", b"new", EMPTY),
    "spooled PUT": lambda upload: upload.put("a.txt", b"new", EMPTY, spooled=True),
    "form": lambda upload: upload.post_form(form_body([("a.txt", b"new")]), EMPTY),
    "GET": lambda upload: upload.request("GET", FILE, headers=EMPTY),
    "DELETE": lambda upload: upload.request("DELETE", FILE, headers=EMPTY),
    "PATCH": lambda upload: upload.request(
        "PATCH", "/v1/metadata/default/a.txt", b"{}", JSON | EMPTY
    ),
    "move": lambda upload: upload.request("POST", "/v1/copies", MOVE, JSON | EMPTY),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_an_empty_tag_is_refused(
    upload: UploadService, way: Callable[[UploadService], TestResponse]
) -> None:
    """A request with an empty If-Match gets 400, and the file stays as it is."""
    upload.put("a.txt", b"old")
    reply = way(upload)
    # The admission of a spooled body responds to the gateway, with the client's problem in a field.
    problem = json.loads(reply.headers.get("X-Denied-Problem", reply.text))
    assert (problem["status"], problem["type"]) == (400, "/problems/malformed-request")
    assert upload.content("a.txt") == b"old"
