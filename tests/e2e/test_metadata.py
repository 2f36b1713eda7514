"""A file's JSON: reading and changing name, metadata, expiry and key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.servers.promised import holds
from tests.servers.wharf.api_client import LARGE, SMALL, Answer, ApiClient
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.traces import nothing_stored

TARGET = "/v1/metadata/default/folder/file.txt"
KEY = "folder/file.txt"


@pytest.fixture
def stored(api: ApiClient) -> dict[str, Any]:
    """Store a file, and return its JSON."""
    return api.stored(KEY, SMALL, {"Content-Type": "text/markdown"})


def patch(api: ApiClient, content: object, target: str = TARGET) -> Answer:
    """Send a change of the file's metadata."""
    return api.send_json("PATCH", target, content)


def in_seconds(seconds: float) -> str:
    """Return the time in so many seconds in RFC 3339."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def test_the_document(api: ApiClient, stored: dict[str, Any]) -> None:
    """The metadata route returns the same JSON as the upload, with the tag of the content."""
    answer = api.get(TARGET)
    assert answer.json() == stored
    assert answer.header("ETag") == stored["etag"]
    assert stored["links"]["metadata"] == TARGET
    wanted = {"media_type": "text/markdown", "declared_type": "text/markdown", "metadata": {}}
    assert wanted.items() <= stored.items()
    assert (stored["state"], stored["expires_at"]) == ("available", None)


def test_changes_are_kept(api: ApiClient, stored: dict[str, Any]) -> None:
    """A client can change name, metadata and expiry alone or together; other values stay."""
    expiry = "2040-01-31T12:00:00Z"
    changes = {"filename": "日本.txt", "metadata": {"a": "b", "ключ": "🦊"}, "expires_at": expiry}
    answer = patch(api, changes)
    assert answer.status == 200
    assert answer.json() == {**stored, **changes} == api.get(TARGET).json()
    assert patch(api, {}).json() == {**stored, **changes}
    assert patch(api, {"expires_at": None}).json()["expires_at"] is None
    assert api.file(KEY).body == SMALL


def test_a_move(wharf: Wharf, api: ApiClient, stored: dict[str, Any]) -> None:
    """A move keeps id and bytes, empties the old key, and never overwrites another file."""
    api.stored("taken", b"other")
    with nothing_stored(wharf, api.tenant):
        assert patch(api, {"key": "taken"}).problem(409, "key-taken")["key"] == "taken"
        patch(api, {"key": "../x"}).problem(400, "invalid-key")
    moved = patch(api, {"key": "new/name.txt"}).json()
    assert (moved["id"], moved["key"], moved["filename"]) == (
        stored["id"],
        "new/name.txt",
        "name.txt",
    )
    assert api.file("new/name.txt").body == SMALL
    api.file(KEY).problem(404, "not-found")
    assert api.used() == (len(SMALL) + 5, 2)


@pytest.mark.parametrize(
    ("change", "status", "slug"),
    [
        ({"expires_at": "2001-01-01T00:00:00Z"}, 422, "unprocessable"),
        ({"expires_at": "2040-01-01T00:00:00"}, 422, "unprocessable"),
        ({"expires_at": "tomorrow"}, 422, "unprocessable"),
        ({"metadata": {"a": 1}}, 422, "unprocessable"),
        ({"metadata": {"a": "x" * 1025}}, 422, "unprocessable"),
        ({"metadata": {str(n): "x" * 1000 for n in range(9)}}, 422, "unprocessable"),
        ({"filename": ""}, 400, "invalid-key"),
        ({"filename": "a\u202eb"}, 400, "invalid-key"),
        ({"filename": None}, 422, "unprocessable"),
        ({"unknown": 1}, 422, "unprocessable"),
        ([], 422, "unprocessable"),
        ("text", 422, "unprocessable"),
    ],
)
@pytest.mark.usefixtures("stored")
def test_changes_that_are_refused(
    wharf: Wharf, api: ApiClient, change: object, status: int, slug: str
) -> None:
    """A change with one invalid value is refused as a whole and changes nothing."""
    with nothing_stored(wharf, api.tenant):
        patch(api, change).problem(status, slug)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"key": "\\ud800"}', b"[" * 100_000])
@pytest.mark.usefixtures("stored")
def test_bodies_that_are_no_json(wharf: Wharf, api: ApiClient, body: bytes) -> None:
    """A body that is not JSON, even a deeply nested body, gets a 400 or 422 and never a 500."""
    with nothing_stored(wharf, api.tenant):
        answer = api.request("PATCH", TARGET, body, {"Content-Type": "application/json"})
        assert answer.status in (400, 422)


@pytest.mark.usefixtures("stored")
def test_another_type_of_body(wharf: Wharf, api: ApiClient) -> None:
    """A body whose type is not JSON gets a 415 that names the expected type."""
    with nothing_stored(wharf, api.tenant):
        for content_type in ("text/plain", "application/x-www-form-urlencoded", ""):
            answer = api.request("PATCH", TARGET, b"{}", {"Content-Type": content_type})
            document = answer.problem(415, "unsupported-media-type")
            assert document["expected"] == "application/json"


def test_if_match_on_a_change(wharf: Wharf, api: ApiClient, stored: dict[str, Any]) -> None:
    """A change with `If-Match` applies only to the file that has the tag."""
    fields = {"Content-Type": "application/json"}
    with nothing_stored(wharf, api.tenant):
        answer = api.request("PATCH", TARGET, b"{}", {**fields, "If-Match": '"x"'})
        answer.problem(412, "precondition-failed")
        answer = api.request("PATCH", TARGET, b"{}", {**fields, "If-Match": "x"})
        answer.problem(400, "malformed-request")
    answer = api.request("PATCH", TARGET, b"{}", {**fields, "If-Match": stored["etag"]})
    assert answer.status == 200


def test_an_expired_file_is_gone(api: ApiClient, stored: dict[str, Any]) -> None:
    """An expired file gets a 404 for content and metadata, and never a 304."""
    assert patch(api, {"expires_at": in_seconds(1.5)}).status == 200
    assert holds(lambda: api.file(KEY).status == 404, 1.5)
    api.file(KEY).problem(404, "not-found")
    api.file(KEY, {"If-None-Match": stored["etag"]}).problem(404, "not-found")
    api.get(TARGET).problem(404, "not-found")
    patch(api, {}).problem(404, "not-found")


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["in-memory", "spooled"])
def test_an_expired_file_is_out_of_the_way(api: ApiClient, content: bytes) -> None:
    """An expired file is in no listing, and a new file can take its key."""
    patch(api, {"expires_at": in_seconds(1.2)})
    assert holds(lambda: api.file(KEY).status == 404, 1.2)
    assert api.listed() == []
    answer = api.put(KEY, content, {"If-None-Match": "*"})
    assert answer.status == 201
    assert api.file(KEY).body == content
    assert api.used() == (len(content), 1)
