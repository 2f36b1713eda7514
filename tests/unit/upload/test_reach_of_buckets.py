"""Which buckets a caller with grants sees, and what of the whole tenant."""

from __future__ import annotations

import pytest

from tests.servers.narrowed import Caller, narrowed
from tests.servers.upload import UploadService

ALL = "read,write,delete,list"


@pytest.fixture
def four(upload: UploadService) -> UploadService:
    """A service with four buckets."""
    for bucket in ("archive", "photos", "videos"):
        upload.request("PUT", f"/v1/buckets/{bucket}")
    return upload


def listed(caller: Caller, limit: int) -> list[list[str]]:
    """The names on each page."""
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
    """The list has the buckets that grants name, and every page but the last is full."""
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
    """A bucket's policy and its end need all four actions on all of it."""
    path = "/v1/buckets/photos"
    for grants in (["read,write,list:photos"], [f"{ALL}:photos/a"], ["read:photos", "write:*"]):
        assert narrowed(four, *grants).slug(method, path) == "outside-grants"
    whole = narrowed(four, "read,write:photos", "delete,list:*")
    assert whole.slug(method, path) in {"200", "204"}


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/usage"), ("POST", "/v1/links/rotate")])
def test_the_whole_tenant_needs_everything(four: UploadService, method: str, path: str) -> None:
    """The tenant's usage, and the end of all its links, are for who reaches everything.

    The refusal does not name a grant that would not be enough.
    """
    refused = narrowed(four, f"{ALL}:photos", "read:*").ask(method, path).json
    assert refused is not None
    assert refused["type"] == "/problems/outside-grants"
    assert refused["action"] == "administer"
    assert "every action on every key" in refused["detail"]
    assert narrowed(four, "read,list:*", "write,delete:*").slug(method, path) in {"200", "204"}
