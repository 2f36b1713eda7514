"""Tests of which buckets, and which facts about the tenant, a caller with grants sees."""

from __future__ import annotations

import pytest

from tests.servers.grants_played import TUS, Told, grant, metadata_of, of_everything, of_grants
from tests.servers.grants_played import Caller as Played
from tests.servers.grants_table import FORM_TYPE
from tests.servers.narrowed import Caller, narrowed
from tests.servers.upload import UploadService, form_body

ALL = "read,write,delete,list"


@pytest.fixture
def four(upload: UploadService) -> UploadService:
    """Return a service with four buckets."""
    for bucket in ("archive", "photos", "videos"):
        upload.request("PUT", f"/v1/buckets/{bucket}")
    return upload


def listed(caller: Caller, limit: int) -> list[list[str]]:
    """Return the names of buckets on each page."""
    pages, cursor = [], ""
    while True:
        reply = caller.ask("GET", f"/v1/buckets?limit={limit}&cursor={cursor}").json or {}
        pages.append([bucket["name"] for bucket in reply["buckets"]])
        cursor = reply["next_cursor"]
        if not cursor:
            return pages


@pytest.mark.parametrize(
    ("grants", "names"),
    [
        (["read:photos/a/", "list:archive"], ["archive", "photos"]),
        (["write:videos/in/", "delete:default/x", "read:photos"], ["default", "photos", "videos"]),
        (["write:*/in/"], ["archive", "default", "photos", "videos"]),
        (["write:*/in/", "read:photos"], ["archive", "default", "photos", "videos"]),
        (["read:absent"], []),
        ([], []),
    ],
)
def test_only_named_buckets_are_listed(
    four: UploadService, grants: list[str], names: list[str]
) -> None:
    """The list has only buckets that grants name, and every page but the last is full."""
    caller = narrowed(four, *grants)
    for limit in (1, 2, 3, 1000):
        full = [names[start : start + limit] for start in range(0, len(names), limit)]
        assert listed(caller, limit) == (full or [[]])
    unlimited = caller.ask("GET", "/v1/buckets").json or {}
    assert [bucket["name"] for bucket in unlimited["buckets"]] == names
    for bucket in ("archive", "default", "photos", "videos"):
        there = caller.ask("GET", f"/v1/buckets/{bucket}").status_code == 200
        assert there == (bucket in names)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_bucket_is_managed_by_whoever_reaches_all_of_it(four: UploadService, method: str) -> None:
    """To change or delete a bucket a caller needs all four actions on the whole bucket."""
    path = "/v1/buckets/photos"
    for grants in (["read,write,list:photos"], [f"{ALL}:photos/a"], ["read:photos", "write:*"]):
        assert narrowed(four, *grants).slug(method, path) == "outside-grants"
    whole = narrowed(four, "read,write:photos", "delete,list:*")
    assert whole.slug(method, path) in {"200", "204"}


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/usage"), ("POST", "/v1/links/rotate")])
def test_the_whole_tenant_needs_everything(four: UploadService, method: str, path: str) -> None:
    """The tenant's usage and the rotation of links need all actions on all keys, as the refusal
    states.
    """
    refused = narrowed(four, f"{ALL}:photos", "read:*").ask(method, path).json
    assert refused is not None
    assert refused["type"] == "/problems/outside-grants"
    assert refused["action"] == "administer"
    assert "every action on every key" in refused["detail"]
    assert narrowed(four, "read,list:*", "write,delete:*").slug(method, path) in {"200", "204"}


@pytest.mark.parametrize("way", ["PUT", "spooled", "form", "tus"])
def test_a_full_quota_tells_no_numbers(upload: UploadService, way: str) -> None:
    """A refusal for the quota states the usage only to a caller that reaches all keys."""
    operator = upload.issuer.token(tid="operator", sub="admin", scope="tenants:admin")
    path, sent = f"/v1/tenants/{upload.tenant}/limits", {"Content-Type": "application/json"}
    limits = b'{"max_bytes": 10}'
    assert Played(upload, operator).ask("PUT", path, limits, sent).status == 200
    whole = of_everything(upload)
    assert whole.ask("PUT", "/v1/files/default/theirs", b"x" * 7).status == 201
    narrow = of_grants(upload, [grant("default", "a")])
    for caller, is_told in ((whole, True), (narrow, False)):
        refused = _sent(caller, way)
        assert (refused.status, refused.slug) == (507, "tenant-quota-exceeded")
        assert ("used_bytes" in refused.json()) == is_told
        assert (b"7 of 10" in refused.body) == is_told


def _sent(caller: Played, way: str) -> Told:
    """Send five bytes to the key `a`."""
    if way == "form":
        form = form_body([("a", b"x" * 5)])
        return caller.ask("POST", "/v1/files/default", form, {"Content-Type": FORM_TYPE})
    if way == "tus":
        length = {"Upload-Length": "5", **TUS, **metadata_of(bucket="default", key="a")}
        return caller.ask("POST", "/v1/uploads", None, length)
    return caller.ask("PUT", "/v1/files/default/a", b"x" * 5, spooled=way == "spooled")
