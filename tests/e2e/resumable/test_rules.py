"""Permissions and limits of uploads: owners, methods, tickets, quotas, and changed policies.

Row numbers are those of the tables in docs/security.md.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.servers.promised import holds
from tests.servers.wharf.api_client import Answer, ApiClient
from tests.servers.wharf.raw_http import until
from tests.servers.wharf.tenants import Signer, Tenants, set_limits
from tests.servers.wharf.tus_client import TUS, Tus

HTML = b"<!doctype html><script>alert(1)</script>"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


def ietf(client: Tus, address: str, method: str) -> Answer:
    """Send a request of the IETF protocol for an upload."""
    fields = {"Upload-Offset": "0", "Upload-Complete": "?0"}
    patch = {"Content-Type": "application/partial-upload", **fields}
    body = b"12345" if method == "PATCH" else b""
    return client.api.request(method, address, body, patch if method == "PATCH" else {})


VERBS: dict[str, Callable[[Tus, str], Answer]] = {
    "HEAD": lambda client, address: client.head(address),
    "GET": lambda client, address: client.api.request("GET", address, headers=TUS),
    "PATCH": lambda client, address: client.patch(address, 0, b"12345"),
    "PATCH of much": lambda client, address: client.patch(address, 0, b"x" * 200_000),
    "DELETE": lambda client, address: client.delete(address),
    "PATCH by POST": lambda client, address: client.api.request(
        "POST",
        address,
        b"12345",
        {
            **TUS,
            "X-HTTP-Method-Override": "PATCH",
            "Upload-Offset": "0",
            "Content-Type": "application/offset+octet-stream",
        },
    ),
    "DELETE by POST": lambda client, address: client.api.request(
        "POST", address, b"", {**TUS, "X-HTTP-Method-Override": "DELETE"}
    ),
    "IETF HEAD": lambda client, address: ietf(client, address, "HEAD"),
    "IETF PATCH": lambda client, address: ietf(client, address, "PATCH"),
    "IETF DELETE": lambda client, address: ietf(client, address, "DELETE"),
    "final": lambda client, address: client.create(
        0, headers={"Upload-Concat": f"final;{address}", "Upload-Length": ""}, filename="f"
    ),
}


@pytest.mark.parametrize("verb", VERBS)
def test_other_peoples_uploads_do_not_exist(tus: Tus, signer: Signer, verb: str) -> None:
    """Another tenant, another client and another bucket's ticket get 404 or 403, and no offset."""
    address = tus.created(10)
    same = signer.token(tid=tus.api.tenant, ticket={"bucket": "other", "prefix": ""})
    strangers = (
        signer.client(),
        signer.client(tid=tus.api.tenant),
        tus.api.using(same),
    )
    for stranger in strangers:
        answer = VERBS[verb](Tus(stranger), address)
        assert answer.status in (403, 404), answer.body
        assert "Upload-Offset" not in answer.headers
        assert "Upload-Length" not in answer.headers
    assert tus.offset(address) == 0
    assert tus.api.listed() == []


@pytest.mark.parametrize("verb", VERBS)
def test_readers_change_nothing(tus: Tus, signer: Signer, verb: str) -> None:
    """A token of the same client that allows only reading is refused for every method."""
    name = f"both-{verb.replace(' ', '-')}"
    own = Tus(tus.api.using(signer.token(tid=tus.api.tenant, sub=name)))
    address = own.created(10)
    reading = signer.token(tid=tus.api.tenant, sub=name, scope="files:read")
    assert VERBS[verb](Tus(tus.api.using(reading)), address).status == 403
    assert own.offset(address) == 0


class Ticketed:
    """Makes tus clients with tickets for one client of a tenant."""

    def __init__(self, api: ApiClient, signer: Signer) -> None:
        self._api, self._signer = api, signer

    def __call__(self, **rules: object) -> Tus:
        """Return a tus client with a ticket, by default for `in/` of the bucket `default`."""
        named = rules if "key" in rules else {"prefix": "in/", **rules}
        token = self._signer.token(
            tid=self._api.tenant,
            sub="page",
            scope="files:write",
            ticket={"bucket": "default", **named},
        )
        return Tus(self._api.using(token))


@pytest.fixture
def ticketed(api: ApiClient, signer: Signer) -> Ticketed:
    """Return an object that makes tus clients with tickets of this test's tenant."""
    return Ticketed(api, signer)


def test_a_ticket_for_one_file_cannot_take_all_room(ticketed: Ticketed, api: ApiClient) -> None:
    """A ticket for one file can begin only sixteen uploads, because each one reserves quota."""
    page = ticketed(max_files=1)
    answers = [page.create(1_000_000, key=f"in/{number}") for number in range(20)]
    assert [answer.status for answer in answers] == [201] * 16 + [403] * 4
    assert answers[-1].problem(403, "ticket-refused")["rule"] == "max_files"
    assert api.get("/v1/usage").json()["bytes"] == 16_000_000
    assert ticketed(max_files=1).create(0, key="in/x").status == 201


def test_row_77(ticketed: Ticketed, api: ApiClient) -> None:
    """Row 77: each rule of a ticket has a refusal: bucket, prefix, key, size, replace, type."""
    answer = ticketed().create(5, bucket="photos", filename="a")
    assert answer.problem(403, "ticket-refused")["rule"] == "bucket"
    answer = ticketed().create(5, key="elsewhere/a")
    assert answer.problem(403, "ticket-refused")["rule"] == "prefix"
    answer = ticketed(key="in/a").create(5, key="in/b")
    assert answer.problem(403, "ticket-refused")["rule"] == "key"
    answer = ticketed(max_file_bytes=4).create(5, filename="a")
    assert answer.problem(413, "too-large")["limit"] == "ticket's file limit"
    answer = ticketed().create(5, filename="a", on_conflict="replace")
    assert answer.problem(403, "ticket-refused")["rule"] == "replace"
    images = ticketed(allowed_types=["image/*"])
    address = images.created(len(HTML), filename="a.png")
    images.patch(address, 0, HTML).problem(415, "type-not-allowed")
    assert images.head(address).status == 404
    assert api.used() == (0, 0)


def test_deferred_lengths_by_ticket(ticketed: Ticketed, api: ApiClient) -> None:
    """A ticket's size limits a deferred length, and the bytes before the length is set."""
    small = ticketed(max_file_bytes=4)
    address = small.created(None, filename="a")
    small.patch(address, 0, b"12345").problem(413, "too-large")
    small.patch(address, 0, b"123", {"Upload-Length": "5"}).problem(413, "too-large")
    assert small.patch(address, 0, b"1234", {"Upload-Length": "4"}).status == 204
    assert api.listed() == ["in/a"]


def test_parts_by_ticket(ticketed: Ticketed, api: ApiClient) -> None:
    """A concatenation larger than the ticket's size is refused, even if each part is smaller."""
    small = ticketed(max_file_bytes=6)
    parts = []
    for _ in range(2):
        answer = small.create(5, headers={"Upload-Concat": "partial"})
        assert answer.status == 201, answer.body
        parts.append(answer.header("Location"))
        assert small.patch(parts[-1], 0, b"12345").status == 204
    joining = {"Upload-Concat": "final;" + " ".join(parts), "Upload-Length": ""}
    small.create(0, headers=joining, filename="big").problem(413, "too-large")
    assert api.listed() == []


def test_uses_of_a_ticket(ticketed: Ticketed, api: ApiClient) -> None:
    """Of parallel uploads with a ticket for one file exactly one becomes a file."""
    once = ticketed(max_files=1)
    addresses = [once.created(3, filename=f"{number}") for number in range(3)]
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda address: once.patch(address, 0, b"abc"), addresses))
    assert sorted(answer.status for answer in answers) == [204, 403, 403]
    assert len(api.listed()) == 1
    assert api.used() == (3, 1)
    once.create(3, filename="more").problem(403, "ticket-used-up")


def test_of_fifty_creations_one_fits(tus: Tus, signer: Signer, api: ApiClient) -> None:
    """If each of fifty parallel creations needs two thirds of the quota, exactly one succeeds."""
    assert set_limits(signer, api.tenant, max_bytes=900_000).status in (200, 201)
    with ThreadPoolExecutor(16) as pool:
        answers = list(
            pool.map(lambda number: tus.create(600_000, filename=f"{number}"), range(50))
        )
    created = [answer for answer in answers if answer.status == 201]
    assert len(created) == 1
    for answer in answers:
        if answer.status != 201:
            found = answer.problem(507, "tenant-quota-exceeded")
            assert found["limit_bytes"] == 900_000
    assert api.used() == (600_000, 1)
    # A client deletes the created upload, which makes the quota free again.
    assert tus.delete(created[0].header("Location")).status == 204
    assert tus.create(600_000, filename="again").status == 201


def test_types_are_narrowed_meanwhile(tus: Tus, api: ApiClient) -> None:
    """An upload is refused at its end if the bucket has forbidden its type since the creation."""
    assert api.send_json("PUT", "/v1/buckets/open", {}).status == 201
    address = tus.created(40 + len(HTML), bucket="open", filename="a.html")
    assert tus.patch(address, 0, HTML).status == 204
    assert api.send_json("PUT", "/v1/buckets/open", {"allowed_types": ["image/*"]}).status == 200
    tus.patch(address, len(HTML), b" " * 40).problem(415, "type-not-allowed")
    assert tus.head(address).status == 404
    assert api.used() == (0, 0)


def test_sizes_are_narrowed_meanwhile(tus: Tus, api: ApiClient) -> None:
    """An upload is refused if its bucket has since got a size limit that the upload exceeds."""
    assert api.send_json("PUT", "/v1/buckets/open", {}).status == 201
    address = tus.created(10, bucket="open", filename="a")
    assert tus.patch(address, 0, b"12345").status == 204
    assert api.send_json("PUT", "/v1/buckets/open", {"max_file_bytes": 9}).status == 200
    tus.patch(address, 5, b"67890").problem(413, "too-large")
    assert api.used() == (0, 0)


def test_the_bucket_goes_meanwhile(tus: Tus, api: ApiClient) -> None:
    """When its bucket is deleted, an upload gets a 404 and its quota is released."""
    assert api.send_json("PUT", "/v1/buckets/short", {}).status == 201
    address = tus.created(10, bucket="short", filename="a")
    assert tus.patch(address, 0, b"12345").status == 204
    assert api.request("DELETE", "/v1/buckets/short").status == 204
    tus.patch(address, 5, b"67890").problem(404, "not-found")
    assert tus.head(address).status == 404
    assert api.used() == (0, 0)


def test_a_suspended_tenant(tenants: Tenants) -> None:
    """An upload of a suspended tenant is refused, and continues at its offset after the resume."""
    api = tenants.tenant()
    tus = Tus(api)
    address = tus.created(10, filename="a")
    assert tus.patch(address, 0, b"12345").status == 204
    change = f"/auth/v1/tenants/{api.tenant}"
    assert tenants.admin.request("POST", f"{change}/suspend").status == 204
    # The stream server reads the feed of revocations separately.
    assert holds(lambda: tus.head(address).status == 403)
    assert holds(lambda: tus.create(5, filename="b").slug == "tenant-suspended")
    tus.patch(address, 5, b"67890").problem(403, "tenant-suspended")
    tus.patch(address, 5, b"67890" * 50_000).problem(403, "tenant-suspended")
    assert tus.delete(address).status == 403
    assert tenants.admin.request("POST", f"{change}/resume").status == 204
    assert holds(lambda: tus.head(address).status == 200)
    assert holds(lambda: tus.patch(address, 5, b"67890").status == 204)
    assert until(lambda: api.file("a").body == b"1234567890")
