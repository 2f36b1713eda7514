"""Quotas and limits of tenants through the gateway: concurrent uploads, events, permissions.

Row numbers are those of the tables in docs/security.md.
"""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.servers.promised import holds
from tests.servers.wharf.api_client import LARGE, SMALL, Answer, ApiClient
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.multipart_body import file_part
from tests.servers.wharf.raw_http import exchange, head
from tests.servers.wharf.tenants import Signer, Tenants, set_limits
from tests.servers.wharf.traces import nothing_stored, rows, traces

CROWD = 50
QUOTA = 300_000
# A small body stays in memory, and a large body is spooled.
SIZES = [pytest.param(60_000, 90_000, id="in-memory"), pytest.param(200_000, QUOTA, id="spooled")]


def bytes_on_disk(wharf: Wharf, tenant: str) -> int:
    """Return the size of the tenant's blobs in bytes."""
    return sum(os.path.getsize(path) for path in traces(wharf, tenant).blobs)


def counted(wharf: Wharf, tenant: str) -> tuple[int, int]:
    """Return the total size and the number of the tenant's file rows."""
    files = [row for row in rows(wharf, tenant) if row[0] == "files"]
    return sum(row[6] for row in files if isinstance(row[6], int)), len(files)


@pytest.mark.parametrize(("size", "quota"), SIZES)
def test_a_crowd_cannot_pass_a_quota(
    wharf: Wharf, signer: Signer, api: ApiClient, size: int, quota: int
) -> None:
    """Row 69: of 50 concurrent uploads of over half the quota each, exactly one is stored."""
    assert set_limits(signer, api.tenant, max_bytes=quota).status == 200
    body = os.urandom(size)

    def upload(number: int) -> Answer:
        return api.put(f"file-{number}", body)

    with ThreadPoolExecutor(CROWD) as crowd:
        answers = list(crowd.map(upload, range(CROWD)))
    assert Counter(answer.status for answer in answers) == {201: 1, 507: CROWD - 1}
    with nothing_stored(wharf, api.tenant):
        numbers = api.put("more", body).problem(507, "tenant-quota-exceeded")
    assert (numbers["used_bytes"], numbers["limit_bytes"]) == (size, quota)
    assert (numbers["needed_bytes"], numbers["used_files"]) == (size, 1)
    assert counted(wharf, api.tenant) == (size, 1)
    assert bytes_on_disk(wharf, api.tenant) == size
    usage = api.get("/v1/usage").json()
    assert (usage["bytes"], usage["files"], usage["allowed"]["max_bytes"]) == (size, 1, quota)


def test_a_crowd_of_forms_cannot_pass_a_quota(wharf: Wharf, signer: Signer, api: ApiClient) -> None:
    """Each of many concurrent forms is stored as a whole or refused, within the quota of files."""
    set_limits(signer, api.tenant, max_files=5)

    def upload(number: int) -> Answer:
        return api.post(*(file_part(f"{number}-{part}") for part in range(2)))

    with ThreadPoolExecutor(20) as crowd:
        answers = list(crowd.map(upload, range(20)))
    assert Counter(answer.status for answer in answers) == {201: 2, 507: 18}
    assert counted(wharf, api.tenant)[1] == 4


def test_empty_files_are_counted(wharf: Wharf, signer: Signer, api: ApiClient) -> None:
    """Row 71: the quota of files limits empty files in every kind of upload."""
    set_limits(signer, api.tenant, max_files=3)
    for number in range(3):
        api.stored(f"empty-{number}", b"")
    with nothing_stored(wharf, api.tenant):
        for answer in (
            api.put("more", b""),
            api.put("more", iter([])),
            api.post(file_part("more", b"")),
        ):
            answer.problem(507, "tenant-quota-exceeded")
    assert api.put("empty-0", b"").status == 201


def test_a_large_body_is_refused_before_it_comes(
    wharf: Wharf, signer: Signer, api: ApiClient
) -> None:
    """Row 6: a body over the quota or the file limit is refused before the client sends a byte."""
    bearer = f"Authorization: Bearer {api.token}"
    request = head(
        "PUT /v1/files/default/key HTTP/1.1", bearer, "Content-Length: 1000001", "Connection: close"
    )
    set_limits(signer, api.tenant, max_bytes=1_000_000)
    with nothing_stored(wharf, api.tenant):
        (answer,) = exchange(wharf.port, request)
        assert (answer.status, answer.slug) == (507, "tenant-quota-exceeded")
    other = signer.client()
    set_limits(signer, other.tenant, max_file_bytes=1_000_000)
    bearer = f"Authorization: Bearer {other.token}"
    request = head(
        "PUT /v1/files/default/key HTTP/1.1", bearer, "Content-Length: 1000001", "Connection: close"
    )
    (answer,) = exchange(wharf.port, request)
    assert (answer.status, answer.slug) == (413, "too-large")
    assert answer.json()["limit"] == "tenant's file limit"


def test_what_goes_gives_back(signer: Signer, api: ApiClient) -> None:
    """Deleting or replacing a file immediately releases its quota, for small and large files."""
    set_limits(signer, api.tenant, max_bytes=len(LARGE), max_files=2)
    api.stored("a", LARGE)
    api.put("b", SMALL).problem(507, "tenant-quota-exceeded")
    api.stored("a", LARGE[::-1])
    api.stored("a", SMALL)
    api.put("b", LARGE).problem(507, "tenant-quota-exceeded")
    assert api.delete("a").status == 204
    api.stored("b", LARGE)


def test_expired_files_give_back(signer: Signer, api: ApiClient) -> None:
    """An expired file gets a 404 and releases its quota, before the sweeper has removed it."""
    set_limits(signer, api.tenant, max_files=1)
    assert api.send_json("PUT", "/v1/buckets/brief", {"expire_after_seconds": 1}).status == 201
    file = api.stored("old", LARGE, bucket="brief")
    assert file["expires_at"] is not None
    api.put("new", LARGE).problem(507, "tenant-quota-exceeded")
    assert holds(lambda: api.file("old", bucket="brief").status == 404, 1)
    assert api.listed("brief") == []
    api.stored("new", LARGE)
    kinds = [event["kind"] for event in events(signer, api)]
    assert kinds.count("file.expired") == 1


def events(signer: Signer, api: ApiClient) -> list[dict[str, Any]]:
    """Return all events of a tenant, which a client with only `events:read` reads two at a time."""
    reader = signer.client(tid=api.tenant, scope="events:read")
    found: list[dict[str, Any]] = []
    after = "0"
    while page := reader.get(f"/v1/events?after={after}&limit=2").json()["events"]:
        found += page
        after = page[-1]["id"]
    return found


def test_events_tell_of_files_and_of_the_quota(signer: Signer, api: ApiClient) -> None:
    """Storing, replacing, deleting and crossing a threshold cause one event each, in order."""
    set_limits(signer, api.tenant, max_files=2)
    first = api.stored("a", SMALL)
    second = api.stored("a", LARGE)
    api.stored("b", SMALL)
    api.delete("a")
    told = events(signer, api)
    kinds = [event["kind"] for event in told]
    assert kinds[:3] == ["file.created", "file.replaced", "file.created"]
    assert kinds[3:] == ["quota.warning", "file.deleted"]
    assert [event["file"]["id"] for event in told[:2]] == [first["id"], second["id"]]
    assert told[3]["file"] is None
    assert told[3]["quota"]["crossed"] == ["files"]
    assert (told[3]["quota"]["used_files"], told[3]["quota"]["limit_files"]) == (2, 2)
    assert told[4]["file"]["id"] == second["id"]


def test_events_need_their_scope(api: ApiClient) -> None:
    """A client with `files:read` cannot read events without `events:read`."""
    answer = api.get("/v1/events")
    assert answer.problem(403, "insufficient-scope")["required_scope"] == "events:read"


@pytest.mark.parametrize("query", ["after=-1", "after=x", "limit=0", "limit=1001", "before=1"])
def test_events_from_nowhere(signer: Signer, query: str) -> None:
    """An invalid cursor or page size gets a 400."""
    signer.client(scope="events:read").get(f"/v1/events?{query}").problem(400, "malformed-request")


def test_limits_are_the_operators(tenants: Tenants, signer: Signer) -> None:
    """An administrator can set a tenant's limits, and no client of a tenant can read or set any."""
    tenant = tenants.tenant()
    target = f"/v1/tenants/{tenant.tenant}/limits"
    assert tenants.admin.send_json("PUT", target, {"max_files": 1}).status == 200
    assert tenants.admin.get(target).json()["limits"]["max_files"] == 1
    tenant.stored("a")
    tenant.put("b").problem(507, "tenant-quota-exceeded")
    for api in (tenant, signer.client(scope="files:read buckets:admin events:read")):
        api.get(target).problem(403, "insufficient-scope")
        api.send_json("PUT", target, {}).problem(403, "insufficient-scope")


def test_members_that_are_not_the_clients(api: ApiClient, signer: Signer) -> None:
    """Row 68: a body with tenant, size or owner is refused and changes nothing."""
    api.stored("key")
    for body in ({"tenant": "other"}, {"size": 1}, {"owner": "me"}):
        for method, target in (
            ("PATCH", "/v1/metadata/default/key"),
            ("PUT", "/v1/buckets/photos"),
        ):
            api.send_json(method, target, body).problem(422, "unprocessable")
    assert set_limits(signer, api.tenant, owner="me").status == 422
    assert api.get("/v1/usage").json()["bytes"] == len(SMALL)
