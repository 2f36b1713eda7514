"""Uploads to an object store: each way stores the file in the store, readable immediately."""

from __future__ import annotations

import os

import pytest

from tests.e2e.test_links import link
from tests.e2e.ways import WAYS, Sender
from tests.servers.wharf.api_client import LARGE, SMALL, ApiClient
from tests.servers.wharf.tenants import Signer

# A large file takes another path than a small file: it is spooled or arrives in pieces.
SPOOLED = ("PUT", "PUT in chunks", "PUT by ticket", "form", "form by ticket", "tus", "slices")


@pytest.mark.parametrize(
    ("way", "content"),
    [
        *(pytest.param(way, SMALL, id=way) for way in WAYS),
        *(pytest.param(way, LARGE, id=f"{way}, large") for way in SPOOLED),
    ],
)
def test_each_way(api: ApiClient, signer: Signer, way: str, content: bytes) -> None:
    """Each way to upload stores bytes that the next request gets, by token and by link."""
    chosen = WAYS[way]
    sent = chosen.send(Sender(api, signer), "file", content, {}, {})
    assert sent.status in (200, 201, 204), sent.body
    key = f"{chosen.folder}file"
    assert api.file(key).body == content
    assert api.using(None).get(link(api, key)).body == content


def test_the_same_key_again(api: ApiClient) -> None:
    """A client reads the last bytes that it wrote, even if it writes the key many times."""
    for _ in range(20):
        content = os.urandom(2000)
        answer = api.put("file", content)
        assert answer.status in (200, 201)
        assert api.file("file").body == content


def test_nothing_at_all(api: ApiClient) -> None:
    """An empty file gets a 200 with the length 0, and a range of it gets 416."""
    api.stored("file", b"")
    for target in ("/v1/files/default/file", link(api)):
        for method in ("GET", "HEAD"):
            answer = api.request(method, target)
            assert (answer.status, answer.body) == (200, b"")
            assert answer.header("Content-Length") == "0"
        past = api.get(target, {"Range": "bytes=0-"})
        past.problem(416, "range-not-satisfiable")
