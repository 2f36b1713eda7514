"""Tenancy (row 67): responses for another tenant's objects are those for absent objects.

Row numbers are those of the tables in docs/security.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.servers.wharf.api_client import LARGE, SMALL, Answer, ApiClient
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.multipart_body import file_part
from tests.servers.wharf.tenants import Signer, Tenants
from tests.servers.wharf.traces import nothing_stored

BUCKET, KEY = "secret-bucket", "secret/key.txt"
SECRET = b"what only its owner may see"
Probe = Callable[[ApiClient, str, str], Answer]

# Requests for a bucket or a key with various fields. test_route_walk.py requests all operations
# with every method.
PROBES: dict[tuple[str, str], tuple[Probe, ...]] = {
    ("GET", "/v1/files/{bucket}/{key}"): (
        lambda api, bucket, key: api.file(key, bucket=bucket),
        lambda api, bucket, key: api.file(key, {"Range": "bytes=0-1"}, bucket),
        lambda api, bucket, key: api.file(key, {"If-None-Match": "*"}, bucket),
        lambda api, bucket, key: api.file(key, {"If-Match": "*"}, bucket),
        lambda api, bucket, key: api.file(f"{key}?download=", bucket=bucket),
    ),
    ("HEAD", "/v1/files/{bucket}/{key}"): (
        lambda api, bucket, key: api.request("HEAD", f"/v1/files/{bucket}/{key}"),
    ),
    ("PUT", "/v1/files/{bucket}/{key}"): (
        lambda api, bucket, key: api.put(key, SMALL, {"If-Match": "*"}, bucket),
        lambda api, bucket, key: api.put(key, LARGE, {"If-Match": "*"}, bucket),
        lambda api, bucket, key: api.put(key, iter([SMALL]), {"If-Match": "*"}, bucket),
    ),
    ("DELETE", "/v1/files/{bucket}/{key}"): (
        lambda api, bucket, key: api.delete(key, bucket=bucket),
        lambda api, bucket, key: api.delete(key, {"If-Match": '"x"'}, bucket),
    ),
    ("GET", "/v1/files/{bucket}"): (
        lambda api, bucket, _: api.get(f"/v1/files/{bucket}"),
        lambda api, bucket, _: api.get(f"/v1/files/{bucket}?prefix=secret/"),
    ),
    ("POST", "/v1/files/{bucket}"): (
        lambda api, bucket, _: api.post(file_part("x"), bucket=bucket),
    ),
    ("GET", "/v1/metadata/{bucket}/{key}"): (
        lambda api, bucket, key: api.get(f"/v1/metadata/{bucket}/{key}"),
    ),
    ("PATCH", "/v1/metadata/{bucket}/{key}"): (
        lambda api, bucket, key: api.send_json(
            "PATCH", f"/v1/metadata/{bucket}/{key}", {"key": "moved"}
        ),
    ),
    ("GET", "/v1/buckets/{bucket}"): (lambda api, bucket, _: api.get(f"/v1/buckets/{bucket}"),),
    ("DELETE", "/v1/buckets/{bucket}"): (
        lambda api, bucket, _: api.request("DELETE", f"/v1/buckets/{bucket}"),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def owner(tenants: Tenants) -> ApiClient:
    """Return a tenant with a bucket and files."""
    api = tenants.tenant()
    assert api.send_json("PUT", f"/v1/buckets/{BUCKET}", {}).status == 201
    for bucket in (BUCKET, "default"):
        api.stored(KEY, SECRET, bucket=bucket)
    return api


@pytest.fixture(scope="module")
def stranger(tenants: Tenants) -> ApiClient:
    """Return a client of another tenant."""
    return tenants.tenant()


def shape(answer: Answer) -> tuple[int, dict[str, Any], list[str]]:
    """Return the status, the JSON body without `request_id`, and the names of the header fields."""
    document = json.loads(answer.body or b"{}")
    document.pop("request_id", None)
    names = sorted(name.lower() for name in answer.headers)
    return answer.status, document, names


@pytest.mark.parametrize(("method", "path"), PROBES)
def test_anothers_is_like_absent(
    wharf: Wharf, owner: ApiClient, stranger: ApiClient, method: str, path: str
) -> None:
    """Row 67: another tenant's bucket or file gets exactly the same response as an absent one."""
    for probe in PROBES[method, path]:
        with nothing_stored(wharf, owner.tenant), nothing_stored(wharf, stranger.tenant):
            theirs = probe(stranger, BUCKET, KEY)
            absent = probe(stranger, "absent-bucket", "absent/key.txt")
            assert theirs.status == 404
            assert shape(theirs) == shape(absent)
            if "{key}" in path:
                theirs = probe(stranger, "default", KEY)
                absent = probe(stranger, "default", "absent/key.txt")
                # A PUT with a condition on an absent file is a 412 for every client.
                assert theirs.status == (412 if method == "PUT" else 404)
                assert shape(theirs) == shape(absent)
    assert owner.file(KEY, bucket=BUCKET).body == SECRET


def test_the_probes_find_their_own(owner: ApiClient) -> None:
    """The probes for reading are valid: the owner gets 200, 206 or 304."""
    for (method, path), probes in PROBES.items():
        if method in ("GET", "HEAD"):
            for probe in probes:
                assert probe(owner, BUCKET, KEY).status in (200, 206, 304), path


def test_same_names_are_separate(owner: ApiClient, tenants: Tenants) -> None:
    """Two tenants can have a bucket and a key of the same name, and each sees only its own."""
    other = tenants.tenant()
    answer = other.send_json("PUT", f"/v1/buckets/{BUCKET}", {"max_file_bytes": 100_000})
    assert answer.status == 201
    other.stored(KEY, SMALL, bucket=BUCKET)
    assert other.file(KEY, bucket=BUCKET).body == SMALL
    assert owner.file(KEY, bucket=BUCKET).body == SECRET
    assert owner.get(f"/v1/buckets/{BUCKET}").json()["max_file_bytes"] is None
    assert other.delete(KEY, bucket=BUCKET).status == 204
    assert other.request("DELETE", f"/v1/buckets/{BUCKET}").status == 204
    assert owner.file(KEY, bucket=BUCKET).body == SECRET


def test_lists_and_usage_are_a_tenants_own(owner: ApiClient, stranger: ApiClient) -> None:
    """No list of buckets, no listing and no usage shows data of another tenant."""
    names = [bucket["name"] for bucket in stranger.get("/v1/buckets").json()["buckets"]]
    assert BUCKET not in names
    assert BUCKET in [one["name"] for one in owner.get("/v1/buckets").json()["buckets"]]
    assert stranger.listed() == []
    assert stranger.used() == (0, 0)
    assert owner.used() == (2 * len(SECRET), 2)


def test_events_are_the_tenants_own(owner: ApiClient, signer: Signer) -> None:
    """A reader of events sees the events of its own tenant's files, and none of another tenant."""
    seen = {}
    for tenant in (owner.tenant, "stranger"):
        reader = signer.client(tid=tenant, scope="events:read")
        events = reader.get("/v1/events?limit=1000").json()["events"]
        seen[tenant] = [event["file"]["key"] for event in events if event["file"]]
    assert KEY in seen[owner.tenant]
    assert seen["stranger"] == []


def test_a_cursor_of_another_tenant(owner: ApiClient, stranger: ApiClient) -> None:
    """A cursor from another tenant's listing shows nothing of that tenant's listing."""
    owner.stored("zzz", SECRET)
    cursor = owner.get("/v1/files/default?limit=1").json()["next_cursor"]
    assert cursor
    assert stranger.get(f"/v1/files/default?cursor={cursor}").json()["files"] == []
    assert owner.delete("zzz").status == 204


@pytest.mark.parametrize("member", ["tenant", "tenant_id", "owner", "size", "sha256", "id", "blob"])
def test_members_that_are_not_the_clients(owner: ApiClient, member: str) -> None:
    """Row 68: a body that names a tenant, an owner or a size gets a 422, and changes nothing."""
    target = f"/v1/metadata/{BUCKET}/{KEY}"
    before = owner.get(target).json()
    answer = owner.send_json("PATCH", target, {member: "other"})
    answer.problem(422, "unprocessable")
    bucket = owner.send_json("PUT", f"/v1/buckets/{BUCKET}", {member: "other"})
    bucket.problem(422, "unprocessable")
    assert owner.get(target).json() == before


def test_details_name_no_tenant(owner: ApiClient, stranger: ApiClient) -> None:
    """No response to a stranger contains the owner's name or any byte of the owner's file."""
    for probes in PROBES.values():
        for probe in probes:
            body = probe(stranger, BUCKET, KEY).body
            assert not re.search(owner.tenant.encode() + rb"\b", body)
            assert SECRET not in body
