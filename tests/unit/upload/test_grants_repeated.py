"""Tests that a repeated request, or a request in pieces, is judged by the current reach."""

from __future__ import annotations

import msgspec
import pytest

from tests.servers.granted_model import Place
from tests.servers.grants_played import (
    OCTETS,
    TUS,
    Caller,
    Feed,
    Told,
    grant,
    kept,
    metadata_of,
    of_everything,
    of_grants,
)
from tests.servers.grants_table import BUCKET, FOLDER, FORM_TYPE, INSIDE, OUTSIDE, filled_world
from tests.servers.upload import UploadService, form_body

OWN = (grant(BUCKET, FOLDER),)
JSON = {"Content-Type": "application/json"}
THEIRS: Place = (BUCKET, "theirs/new.txt")


@pytest.fixture
def world(upload: UploadService) -> UploadService:
    return filled_world(upload)


def repeatable(caller: Caller, way: str, folder: str) -> Told:
    """Send a request that has one outcome, no matter how often it is sent."""
    once = {"Idempotency-Key": "the-same-key"}
    if way == "form":
        body = form_body([("new.txt", b"new")], {"prefix": folder})
        fields = {**once, "Content-Type": FORM_TYPE}
        return caller.ask("POST", f"/v1/files/{BUCKET}", body, fields)
    if way == "move":
        source = {"bucket": BUCKET, "key": INSIDE if folder == FOLDER else OUTSIDE}
        to = {"bucket": BUCKET, "key": f"{folder}moved"}
        body = msgspec.json.encode({"from": source, "to": to, "move": True})
        return caller.ask("POST", "/v1/copies", body, {**once, **JSON})
    if way == "tus":
        names = metadata_of(bucket=BUCKET, key=f"{folder}new.txt")
        fields = {**TUS, **once, **names, "Upload-Length": "3", "Content-Type": OCTETS}
        return caller.ask("POST", "/v1/uploads", b"new", fields)
    path = f"/v1/files/{BUCKET}/{folder}new.txt"
    return caller.ask("PUT", path, b"new", once, spooled=way == "spooled")


WAYS = ("small", "spooled", "form", "move", "tus")


@pytest.mark.parametrize("way", WAYS)
def test_anothers_idempotency_key_tells_nothing(world: UploadService, way: str) -> None:
    """Another caller's Idempotency-Key reveals nothing about a file outside the grants.

    This applies to an equal request and to a request for a file inside the grants.
    """
    assert repeatable(of_everything(world), way, "theirs/").status == 201
    before, caller = kept(world), of_grants(world, OWN)
    told = repeatable(caller, way, "theirs/")
    assert told.status in {403, 404}, told.body
    assert b"sha256" not in told.body
    assert kept(world) == before
    told = repeatable(caller, way, FOLDER)
    assert told.status == 201, told.body
    assert "theirs" not in told.body.decode() + repr(list(told.headers))


@pytest.mark.parametrize("way", WAYS)
def test_a_repeated_request_is_judged_anew(world: UploadService, way: str) -> None:
    """A repeated request gets the first response only if its file is still within reach."""
    caller = of_everything(world, "narrowed")
    first = repeatable(caller, way, "theirs/")
    assert first.status == 201, first.body
    again = repeatable(caller, way, "theirs/")
    assert again.status in {200, 201}, again.body
    Feed(world).own("narrowed", OWN)
    lost = repeatable(caller, way, "theirs/")
    assert lost.status in {403, 404}, lost.body
    assert b"sha256" not in lost.body


def sliced(caller: Caller, index: int, key: str, last: str = "d") -> Told:
    """Send one of three slices, as dropzone sends them."""
    folder, _, name = key.rpartition("/")
    fields = {
        "prefix": f"{folder}/",
        "dzuuid": f"5f1c3e0a-5f6a-4d3a-8b0e-1c9a0f3f2b1{last}",
        "dzchunkindex": str(index),
        "dztotalfilesize": "30000",
        "dzchunksize": "10000",
        "dztotalchunkcount": "3",
        "dzchunkbyteoffset": str(index * 10_000),
    }
    body = form_body([(name, b"x" * 10_000)], fields)
    return caller.ask("POST", f"/v1/files/{BUCKET}", body, {"Content-Type": FORM_TYPE})


def test_slices_are_judged_one_by_one(world: UploadService) -> None:
    """A file in slices is made only if its key is within reach at each slice."""
    caller = of_everything(world, "narrowed")
    key = "theirs/sliced"
    assert [sliced(caller, index, key).status for index in (0, 1)] == [202, 202]
    assert sliced(of_grants(world, OWN), 0, key).slug == "outside-grants"
    Feed(world).own("narrowed", OWN)
    for index in (2, 1, 2):
        assert sliced(caller, index, key).slug == "outside-grants"
    owner = of_everything(world)
    assert owner.ask("GET", f"/v1/files/{BUCKET}/{key}").status == 404
    assert [sliced(caller, index, f"{FOLDER}s", "e").status for index in range(3)] == [
        202,
        202,
        201,
    ]
    # A slice that is sent again after the file is complete gets the response again, if the file is
    # in reach.
    assert sliced(caller, 2, f"{FOLDER}s", "e").status in {200, 201, 202}
    Feed(world, 9).own("narrowed", ())
    assert sliced(caller, 2, f"{FOLDER}s", "e").status == 404


def test_a_part_of_the_ietf_protocol_goes_on_within_reach(world: UploadService) -> None:
    """An upload that began with `PUT` does not exist for a caller without a grant for its key."""
    caller = of_everything(world, "narrowed")
    part = {"Upload-Complete": "?0", "Upload-Draft-Interop-Version": "8"}
    begun = caller.ask("PUT", f"/v1/files/{BUCKET}/theirs/ietf", b"abc", part)
    assert begun.status == 201, begun.body
    Feed(world).own("narrowed", OWN)
    fields = {
        "Upload-Complete": "?1",
        "Upload-Offset": "3",
        "Upload-Draft-Interop-Version": "8",
        "Content-Type": "application/partial-upload",
    }
    for method in ("PATCH", "HEAD", "DELETE"):
        body = b"def" if method == "PATCH" else None
        assert caller.ask(method, begun.headers["Location"], body, fields).status == 404
    assert of_everything(world).ask("GET", f"/v1/files/{BUCKET}/theirs/ietf").status == 404


def test_parts_are_joined_within_reach(world: UploadService) -> None:
    """A final upload is judged by its own key when it is created and when its last part arrives."""
    caller = of_everything(world, "narrowed")
    partial = {
        **TUS,
        "Upload-Concat": "partial",
        "Upload-Length": "3",
        **metadata_of(bucket=BUCKET),
    }
    parts = [caller.ask("POST", "/v1/uploads", None, partial).headers["Location"] for _ in "ab"]

    def sent(address: str) -> Told:
        fields = {**TUS, "Upload-Offset": "0", "Content-Type": OCTETS}
        return caller.ask("PATCH", address, b"abc", fields)

    def final(key: str) -> Told:
        names = metadata_of(bucket=BUCKET, key=key)
        fields = {**TUS, **names, "Upload-Concat": f"final;{' '.join(parts)}"}
        return caller.ask("POST", "/v1/uploads", None, fields)

    assert sent(parts[0]).status == 204
    assert final("theirs/joined").status == 201
    Feed(world).own("narrowed", OWN)
    assert sent(parts[1]).status == 204
    assert of_everything(world).ask("GET", f"/v1/files/{BUCKET}/theirs/joined").status == 404
    assert final("theirs/other").slug == "outside-grants"
