"""Downloads while files move between disk and store: Wharf reads the place that has the file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.test_downloads import check_security_fields
from tests.e2e.test_links import link
from tests.e2e.test_small_pictures import photo
from tests.servers.object_stores import ObjectStore
from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.instance import Wharf, running
from tests.servers.wharf.tenants import Signer
from wharf_upload.storage.base import BlobName
from wharf_upload.storage.layout import relative_path


@dataclass(frozen=True)
class Moving:
    """A Wharf with some files on the disk and some in a bucket of the object store."""

    wharf: Wharf
    store: ObjectStore
    bucket: str

    def to_disk(self, api: ApiClient) -> None:
        """Move all files of a tenant to the disk, as `move-blobs` does."""
        for key in self.store.keys(self.bucket):
            tenant, _, blob = key.rpartition("/")
            if tenant.endswith(f"/{api.tenant}"):
                path = self.wharf.data / "tenants" / relative_path(BlobName(api.tenant, blob))
                path.parent.mkdir(parents=True, exist_ok=True)
                content = self.store.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
                path.write_bytes(content)
                self.store.client.delete_object(Bucket=self.bucket, Key=key)


@pytest.fixture(scope="module")
def moving(radosgw: ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moving]:
    """Start a Wharf that moves files between disk and store; its store has no TLS."""
    bucket = radosgw.new_bucket()
    settings = {
        "WHARF_BLOB_URL": radosgw.url(bucket),
        "WHARF_BLOB_OLD_URL": "disk",
        "WHARF_BLOB_KEY_FILE": str(radosgw.key_file(tmp_path_factory.mktemp("keys"))),
    }
    with running(None, **settings) as wharf:
        yield Moving(wharf, radosgw, bucket)


@pytest.fixture
def api(moving: Moving) -> ApiClient:
    """Return a client of a separate tenant."""
    return Signer(moving.wharf).client()


TEXT = b"plain text\n" * 10_000


@pytest.mark.parametrize("place", ["disk", "store"])
def test_both_places(moving: Moving, api: ApiClient, place: str) -> None:
    """Requests by token and by link get the same responses from both places, also with
    conditions.
    """
    etag = api.stored("a.txt", TEXT)["etag"]
    targets = ["/v1/files/default/a.txt", link(api, "a.txt")]
    if place == "disk":
        moving.to_disk(api)
    for target in targets:
        whole = api.get(target)
        assert (whole.status, whole.body) == (200, TEXT)
        check_security_fields(whole)
        assert whole.header("Content-Type") == "text/plain; charset=utf-8"
        assert whole.header("ETag") == etag
        assert whole.header("Repr-Digest")
        modified = whole.header("Last-Modified")
        for fields, status in (
            ({}, 200),
            ({"If-Match": etag}, 200),
            ({"If-Match": '"x"'}, 412),
            ({"If-None-Match": etag}, 304),
            ({"If-Modified-Since": modified}, 304),
            ({"If-Unmodified-Since": modified}, 200),
            ({"Range": "bytes=5-9"}, 206),
            ({"Range": "bytes=5-9", "If-Range": etag}, 206),
            ({"Range": "bytes=5-9", "If-Range": modified}, 206),
            ({"Range": "bytes=5-9", "If-Range": '"x"'}, 200),
            ({"Range": "bytes=5-9", "If-Match": "*"}, 206),
            ({"Range": "bytes=999999-"}, 416),
        ):
            answer = api.get(target, fields)
            assert (target, fields, answer.status) == (target, fields, status)
            if status in (200, 206):
                assert answer.body == (TEXT if status == 200 else TEXT[5:10])
                assert answer.header("Content-Disposition") == 'inline; filename="a.txt"'
                assert answer.header("Last-Modified") == modified
            if status == 416:
                answer.problem(416, "range-not-satisfiable")
                assert answer.header("Content-Range") == f"bytes */{len(TEXT)}"
        headed = api.request("HEAD", target)
        assert headed.header("Content-Length") == str(len(TEXT))


def test_a_picture_from_both(moving: Moving, api: ApiClient) -> None:
    """Wharf makes a small picture of a file on the disk and of a file in the store."""
    for key in ("a.jpg", "b.jpg"):
        api.stored(key, photo())
        if key == "a.jpg":
            moving.to_disk(api)
        answer = api.file(f"{key}?w=64")
        assert (answer.status, answer.header("Content-Type")) == (200, "image/webp")


def test_a_file_that_moves_between_two_requests(moving: Moving, api: ApiClient) -> None:
    """nginx's cached decision about a link leads to the file's new place."""
    api.stored("a.txt", TEXT)
    target = link(api, "a.txt")
    assert api.get(target).body == TEXT
    moving.to_disk(api)
    assert api.get(target).body == TEXT


def test_a_file_that_is_nowhere(moving: Moving, api: ApiClient) -> None:
    """A file that is missing in both places gets a 503, because its row states its existence."""
    api.stored("a.txt", TEXT)
    moving.to_disk(api)
    (path,) = (
        one for one in Path(moving.wharf.data, "tenants", api.tenant).rglob("*") if one.is_file()
    )
    path.unlink()
    for target in ("/v1/files/default/a.txt", link(api, "a.txt")):
        api.get(target).problem(503, "unavailable")
