"""`POST /v1/copies` with `move`, which moves files to other keys and buckets."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.servers.wharf.api_client import LARGE, SMALL, Answer, ApiClient
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.tenants import Signer
from tests.servers.wharf.traces import nothing_stored

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


def move(
    api: ApiClient,
    source: tuple[str, str],
    target: tuple[str, str],
    headers: dict[str, str] | None = None,
    **members: object,
) -> Answer:
    """Request a move from one bucket and key to another."""
    places = {
        name: {"bucket": bucket, "key": key}
        for name, (bucket, key) in (("from", source), ("to", target))
    }
    body = json.dumps({**places, "move": True, **members}).encode()
    sent = {"Content-Type": "application/json", **(headers or {})}
    return api.request("POST", "/v1/copies", body, sent)


def bucket(api: ApiClient, name: str, **policy: object) -> str:
    """Make a bucket with a policy, and return its name."""
    assert api.send_json("PUT", f"/v1/buckets/{name}", policy).status == 201
    return name


def events(api: ApiClient, signer: Signer) -> list[dict[str, Any]]:
    """Return the tenant's events."""
    owner = signer.client(tid=api.tenant, scope="events:read")
    found: list[dict[str, Any]] = owner.get("/v1/events").json()["events"]
    return found


def test_a_move(api: ApiClient, signer: Signer) -> None:
    """A move keeps the file's bytes, id and metadata, and its old address gets a 404."""
    archive = bucket(api, "archive")
    stored = api.stored("new/a.txt", LARGE, {"Content-Type": "text/markdown"})
    answer = move(api, ("default", "new/a.txt"), (archive, "2026/ä b.txt"))
    assert answer.status == 201, answer.body
    file = answer.json()
    assert answer.header("Location") == file["links"]["content"]
    assert answer.header("ETag") == file["etag"]
    moved = {"bucket": archive, "key": "2026/ä b.txt", "filename": "ä b.txt"}
    assert file == {**stored, **moved, "links": file["links"]}
    assert api.get(file["links"]["content"]).body == LARGE
    api.file("new/a.txt").problem(404, "not-found")
    assert api.used() == (len(LARGE), 1)
    last = events(api, signer)[-1]
    assert (last["kind"], last["file"], last["moved_from"]) == (
        "file.moved",
        file,
        {"bucket": "default", "key": "new/a.txt"},
    )
    # A file can move to an address that an earlier move has left.
    assert move(api, (archive, "2026/ä b.txt"), ("default", "new/a.txt")).json() == stored


def test_a_name_of_its_own(api: ApiClient) -> None:
    """A changed file name survives a move that keeps the last part of the key.

    Otherwise the last part of the new key becomes the file name.
    """
    api.stored("in/scan1.txt", SMALL)
    named = {"filename": "Contract.txt"}
    assert api.send_json("PATCH", "/v1/metadata/default/in/scan1.txt", named).status == 200
    folder = move(api, ("default", "in/scan1.txt"), ("default", "out/scan1.txt")).json()
    assert folder["filename"] == "Contract.txt"
    other = move(api, ("default", "out/scan1.txt"), ("default", "out/other.txt")).json()
    assert other["filename"] == "other.txt"


def test_a_taken_key(wharf: Wharf, api: ApiClient, signer: Signer) -> None:
    """A move overwrites no file by default; `on_conflict` can ask to rename or to replace."""
    first, second = api.stored("a.txt", SMALL), api.stored("b.txt", LARGE)
    places = ("default", "a.txt"), ("default", "b.txt")
    with nothing_stored(wharf, api.tenant):
        assert move(api, *places).problem(409, "key-taken")["key"] == "b.txt"
        move(api, *places, on_conflict="error").problem(409, "key-taken")
    renamed = move(api, *places, on_conflict="rename").json()
    assert (renamed["id"], renamed["key"]) == (first["id"], "b (2).txt")
    assert api.file("b.txt").body == LARGE
    over = move(api, ("default", "b (2).txt"), places[1], on_conflict="replace")
    assert (over.status, over.json()["id"]) == (201, first["id"])
    assert api.file("b.txt").body == SMALL
    assert api.used() == (len(SMALL), 1)
    told = [(event["kind"], event["file"]["id"]) for event in events(api, signer)[-2:]]
    assert told == [("file.deleted", second["id"]), ("file.moved", first["id"])]


@pytest.mark.parametrize(
    ("policy", "status", "slug"),
    [
        ({"allowed_types": ["application/pdf"]}, 415, "type-not-allowed"),
        ({"allowed_extensions": ["pdf"]}, 415, "extension-not-allowed"),
        ({"max_file_bytes": 10}, 413, "too-large"),
    ],
)
def test_the_target_judges(
    wharf: Wharf, api: ApiClient, policy: dict[str, object], status: int, slug: str
) -> None:
    """A bucket applies the same rules to a moved file as to an uploaded file."""
    narrow = bucket(api, "narrow", **policy)
    api.stored("a.png", PNG)
    uploaded = api.put("a.png", PNG, bucket=narrow)
    with nothing_stored(wharf, api.tenant):
        moved = move(api, ("default", "a.png"), (narrow, "a.png"))
    one, other = (answer.problem(status, slug) for answer in (uploaded, moved))
    assert {**one, "request_id": ""} == {**other, "request_id": ""}
    assert api.file("a.png").body == PNG


def test_a_name_that_lies(api: ApiClient) -> None:
    """A move into a bucket with limited types cannot give a file a name of another type."""
    pictures = bucket(api, "pictures", allowed_types=["image/*"])
    api.stored("a.png", PNG)
    move(api, ("default", "a.png"), (pictures, "a.pdf")).problem(415, "type-not-allowed")
    assert move(api, ("default", "a.png"), (pictures, "a.png")).status == 201
    move(api, (pictures, "a.png"), (pictures, "a.pdf")).problem(415, "type-not-allowed")


def test_kinds_of_text(api: ApiClient) -> None:
    """A bucket for tables accepts a table stored as text, and changes its type to text/csv."""
    tables = bucket(api, "tables", allowed_types=["text/csv"])
    api.stored("table.csv", b"a,b\n1,2\n", {"Content-Type": "text/plain"})
    file = move(api, ("default", "table.csv"), (tables, "table.csv")).json()
    assert file["media_type"] == "text/csv"
    back = move(api, (tables, "table.csv"), ("default", "table.csv")).json()
    assert back["media_type"] == "text/csv"


def test_expiry(api: ApiClient) -> None:
    """A move to another bucket starts a new expiry; a move within a bucket keeps the expiry."""
    brief = bucket(api, "brief", expire_after_seconds=3600)
    api.stored("a.txt", SMALL)
    expires = move(api, ("default", "a.txt"), (brief, "a.txt")).json()["expires_at"]
    assert expires is not None
    assert move(api, (brief, "a.txt"), (brief, "b.txt")).json()["expires_at"] == expires
    assert move(api, (brief, "b.txt"), ("default", "a.txt")).json()["expires_at"] is None


def test_conditions(api: ApiClient) -> None:
    """`If-Match` of a move applies to the file that moves."""
    stored, other = api.stored("a.txt", SMALL), api.stored("b.txt", LARGE)
    places = ("default", "a.txt"), ("default", "b.txt")
    tags = [{"If-Match": file["etag"]} for file in (other, stored)]
    move(api, *places, tags[0], on_conflict="replace").problem(412, "precondition-failed")
    move(api, *places, {"If-Match": "x"}).problem(400, "malformed-request")
    assert move(api, *places, tags[1], on_conflict="replace").status == 201


def test_idempotency(api: ApiClient) -> None:
    """A repeated move with the same Idempotency-Key moves no further file.

    This is true even if the old key has a new file.
    """
    once = {"Idempotency-Key": "one"}
    places = ("default", "a.txt"), ("default", "b.txt")
    api.stored("a.txt", SMALL)
    first = move(api, *places, once)
    assert first.headers["Idempotent-Replayed"] is None
    assert api.stored("a.txt", LARGE)
    again = move(api, *places, once)
    assert again.header("Idempotent-Replayed") == "true"
    assert (again.status, again.json()) == (201, first.json())
    assert (api.file("a.txt").body, api.file("b.txt").body) == (LARGE, SMALL)
    move(api, ("default", "a.txt"), ("default", "c.txt"), once).problem(
        422, "idempotency-key-reused"
    )
    api.put("c.txt", SMALL, once).problem(422, "idempotency-key-reused")


def test_who_may(api: ApiClient, signer: Signer) -> None:
    """A move needs the scopes to read and to write, and cannot use a ticket."""
    api.stored("a.txt", SMALL)
    places = ("default", "a.txt"), ("default", "b.txt")
    for scope in ("files:read", "files:write", "files:delete buckets:admin"):
        narrow = signer.client(tid=api.tenant, scope=scope)
        move(narrow, *places).problem(403, "insufficient-scope")
    rules = {"bucket": "default", "prefix": ""}
    ticket = signer.token(tid=api.tenant, scope="files:read files:write", ticket=rules)
    move(api.using(ticket), *places).problem(403, "insufficient-scope")
    move(api.using(None), *places).problem(401, "token-missing")
    assert (
        move(signer.client(tid=api.tenant, scope="files:read files:write"), *places).status == 201
    )


def test_links_name_addresses(api: ApiClient) -> None:
    """A signed link to the file's old address gets a 404 after the move."""
    api.stored("a.txt", SMALL)
    link = api.send_json("POST", "/v1/links", {"bucket": "default", "key": "a.txt"}).json()["url"]
    assert move(api, ("default", "a.txt"), ("default", "b.txt")).status == 201
    api.using(None).get(link).problem(404, "not-found")


@pytest.mark.parametrize(
    ("changes", "status", "slug"),
    [
        ({"move": False}, 422, "unprocessable"),
        ({"move": None}, 422, "unprocessable"),
        ({"on_conflict": "skip"}, 422, "unprocessable"),
        ({"to": {"bucket": "default", "key": "a.txt"}}, 422, "unprocessable"),
        ({"to": {"bucket": "default"}}, 422, "unprocessable"),
        ({"from": {"bucket": "default", "key": "a.txt", "version": "1"}}, 422, "unprocessable"),
        ({"to": {"bucket": "default", "key": "../x"}}, 400, "invalid-key"),
        ({"to": {"bucket": "default", "key": "a\u202eb"}}, 400, "invalid-key"),
        ({"to": {"bucket": "\0", "key": "b"}}, 404, "not-found"),
        ({"to": {"bucket": "absent", "key": "b"}}, 404, "not-found"),
        ({"from": {"bucket": "default", "key": "absent"}}, 404, "not-found"),
        ({"from": {"bucket": "absent", "key": "a.txt"}}, 404, "not-found"),
    ],
)
def test_refused(
    wharf: Wharf, api: ApiClient, changes: dict[str, object], status: int, slug: str
) -> None:
    """An invalid or impossible move is refused, and the file stays at its address."""
    api.stored("a.txt", SMALL)
    with nothing_stored(wharf, api.tenant):
        answer = move(api, ("default", "a.txt"), ("default", "b.txt"), None, **changes)
    answer.problem(status, slug)
    assert api.file("a.txt").body == SMALL


def test_without_move(api: ApiClient) -> None:
    """A request to copy without `move` is refused, because copies do not exist yet."""
    place = {"bucket": "default", "key": "a.txt"}
    answer = api.send_json("POST", "/v1/copies", {"from": place, "to": {**place, "key": "b"}})
    assert answer.problem(422, "unprocessable")["field"] == "move"


def test_one_of_many(api: ApiClient) -> None:
    """Of eight concurrent moves of one file one succeeds, and the file has exactly one address."""
    api.stored("a.txt", SMALL)
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda n: move(api, ("default", "a.txt"), ("default", f"{n}.txt")), range(8))
        )
    assert sorted(answer.status for answer in answers) == [201, *[404] * 7]
    assert [file["size"] for file in api.get("/v1/files/default").json()["files"]] == [len(SMALL)]
    assert api.used() == (len(SMALL), 1)
