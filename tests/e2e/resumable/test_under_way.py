"""`GET /v1/uploads`: uploads under way, for the clients that send them and for owners."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

import pytest

from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.multipart_body import field_part, file_part
from tests.servers.wharf.tenants import ALL_SCOPES, Signer
from tests.servers.wharf.tus_client import Tus

OWNER = " ".join((*ALL_SCOPES, "events:read"))


@pytest.fixture
def owner(signer: Signer, tus: Tus) -> Tus:
    """Return an owner of the tenant of `tus`."""
    return Tus(signer.client(tid=tus.api.tenant, scope=OWNER))


def listed(api: ApiClient, query: str = "") -> list[dict[str, Any]]:
    """Return the uploads on a page of the list."""
    answer = api.get(f"/v1/uploads{query}")
    assert answer.status == 200, answer.body
    found: list[dict[str, Any]] = answer.json()["uploads"]
    return found


def addresses(api: ApiClient, query: str = "") -> list[str]:
    """Return the addresses of the uploads on a page."""
    return [upload["links"]["upload"] for upload in listed(api, query)]


def test_what_is_told(tus: Tus) -> None:
    """The list shows an upload's key, offset, length, sender and expiry."""
    address = tus.created(10, bucket="default", key="films/é.mp4")
    assert tus.patch(address, 0, b"1234").status == 204
    (found,) = listed(tus.api)
    created = datetime.fromisoformat(found.pop("created_at"))
    expires = datetime.fromisoformat(found.pop("expires_at"))
    assert abs(created.timestamp() - time.time()) < 60
    assert expires > created
    assert found.pop("subject").startswith("client-")
    assert found == {
        "id": address.rpartition("/")[2],
        "bucket": "default",
        "key": "films/é.mp4",
        "offset": 4,
        "length": 10,
        "protocol": "tus",
        "by_ticket": False,
        "links": {"upload": address},
    }


def test_ends_with_the_upload(tus: Tus) -> None:
    """A completed or deleted upload is no longer in the list."""
    complete, ended = tus.created(3), tus.created(3)
    assert set(addresses(tus.api)) == {complete, ended}
    assert tus.patch(complete, 0, b"123").status == 204
    assert tus.delete(ended).status == 204
    assert listed(tus.api) == []


def test_each_protocol(tus: Tus) -> None:
    """The list tells both protocols apart, and shows partial uploads and slices of forms."""
    api = tus.api
    tus.create(None, None, {"Upload-Concat": "partial"}, filetype="video/mp4")
    begun = {"Upload-Complete": "?0", "Upload-Draft-Interop-Version": "8"}
    assert api.put("ietf.bin", b"", begun).status == 201
    said = {"dzuuid": "6b1f0e64", "dzchunkindex": 0, "dztotalchunkcount": 2,
            "dzchunksize": 4, "dztotalfilesize": 8, "dzchunkbyteoffset": 0}  # fmt: skip
    fields = [field_part(name, str(value)) for name, value in said.items()]
    assert api.post(*fields, file_part("sliced.bin", b"abcd")).status == 202
    found = {upload["protocol"]: upload for upload in listed(api)}
    assert {name: (one["key"], one["offset"], one["length"]) for name, one in found.items()} == {
        "tus": (None, 0, None),
        "ietf": ("ietf.bin", 0, None),
        "slices": ("sliced.bin", 4, 8),
    }
    assert found["slices"]["links"] == {"upload": None}


def test_while_bytes_come(tus: Tus) -> None:
    """A list neither waits for a request that is sending bytes nor ends that request."""
    address = tus.created(10)
    with tus.begin(address, 0, 10) as connection:
        connection.sendall(b"123")
        deadline = time.monotonic() + 10
        while listed(tus.api)[0]["offset"] != 3:
            assert time.monotonic() < deadline
        connection.sendall(b"4567890")
        assert connection.recv(100).startswith(b"HTTP/1.1 204")
    assert listed(tus.api) == []


def test_whose(tus: Tus, owner: Tus, signer: Signer) -> None:
    """A client lists its own uploads; a client that may read events lists the tenant's uploads."""
    mine, theirs = tus.created(5), owner.created(5)
    assert addresses(tus.api) == [mine]
    assert set(addresses(owner.api)) == {mine, theirs}
    whom = listed(tus.api)[0]["subject"]
    assert addresses(owner.api, f"?subject={whom}") == [mine]
    assert addresses(tus.api, f"?subject={whom}") == [mine]
    tus.api.get("/v1/uploads?subject=somebody").problem(403, "insufficient-scope")
    auditor = signer.client(tid=tus.api.tenant, scope="events:read")
    assert set(addresses(auditor)) == {mine, theirs}
    signer.client(tid=tus.api.tenant, scope="files:read").get("/v1/uploads").problem(
        403, "insufficient-scope"
    )
    assert listed(signer.client(scope=OWNER)) == []


def test_by_ticket(tus: Tus, owner: Tus, signer: Signer) -> None:
    """An upload by ticket belongs to the ticket's subject and is marked as an upload by ticket.

    A ticket cannot list uploads.
    """
    rules = {"bucket": "default", "prefix": "", "methods": ["POST"]}
    tus.created(5)
    (subject,) = {upload["subject"] for upload in listed(tus.api)}
    token = signer.token(tid=tus.api.tenant, sub=subject, scope="files:write", ticket=rules)
    guest = Tus(tus.api.using(token))
    address = guest.created(5)
    found = {one["links"]["upload"]: one["by_ticket"] for one in listed(tus.api)}
    assert found[address]
    assert list(found.values()).count(True) == 1
    guest.api.get("/v1/uploads").problem(403, "insufficient-scope")
    assert tus.delete(address).status == 204


def test_pages(tus: Tus) -> None:
    """The pages of the list together contain every upload once."""
    every = {tus.created(1) for _ in range(5)}
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = tus.api.get(f"/v1/uploads?limit=2&cursor={cursor}").json()
        seen += [upload["links"]["upload"] for upload in page["uploads"]]
        cursor = page["next_cursor"]
    assert len(seen) == 5
    assert set(seen) == every


def test_the_owner_ends_it(tus: Tus, owner: Tus, signer: Signer) -> None:
    """A client with `buckets:admin` can delete an upload of another subject.

    The request must name the subject.
    """
    address = tus.created(10)
    assert tus.patch(address, 0, b"123").status == 204
    assert owner.head(address).status == 404
    assert owner.patch(address, 3, b"4").status == 404
    (subject,) = {upload["subject"] for upload in listed(tus.api)}
    named = f"{address}?subject={subject}"
    colleague = Tus(signer.client(tid=tus.api.tenant, scope="files:write files:delete events:read"))
    assert colleague.delete(named).status == 404
    stranger = Tus(signer.client())
    assert stranger.delete(named).status == 404
    assert owner.delete(address).status == 404
    assert owner.delete(f"{address}?subject=somebody").status == 404
    owner.delete(f"{named}&subject={subject}").problem(400, "malformed-request")
    assert tus.offset(address) == 3
    assert owner.delete(named).status == 204
    assert tus.head(address).status == 404
    assert tus.api.get("/v1/usage").json()["bytes"] == 0


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=1001", "limit=1&limit=2", "cursor=x%2By", "cursor=%00"),
        *("subject=", "subject=%00", "whose=all"),
    ],
)
def test_malformed(api: ApiClient, query: str) -> None:
    """A list with an invalid parameter gets a 400."""
    api.get(f"/v1/uploads?{query}").problem(400, "malformed-request")


def test_methods(api: ApiClient) -> None:
    """HEAD gets a 200, PUT a 405 with the allowed methods, and GET without a token a 401."""
    assert api.request("HEAD", "/v1/uploads").status == 200
    answer = api.request("PUT", "/v1/uploads", b"")
    answer.problem(405, "method-not-allowed")
    assert answer.header("Allow") == "GET, HEAD, POST, OPTIONS"
    api.using(None).get("/v1/uploads").problem(401, "token-missing")
