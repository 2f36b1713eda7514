"""Downloads get a problem if the store does not respond, is a wrong one, or has lost the bytes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.test_downloads import BYTES
from tests.e2e.test_links import link
from tests.e2e.test_public import public_bucket
from tests.e2e.test_small_pictures import photo
from tests.servers.certificates import Certificate
from tests.servers.cutting import CuttingProxy
from tests.servers.object_stores import ObjectStore
from tests.servers.wharf.api_client import Answer, ApiClient
from tests.servers.wharf.instance import ROOT, Wharf
from tests.servers.wharf.raw_http import until

# Header fields of a file, which a problem must not have.
FIELDS = ("ETag", "Last-Modified", "Content-Disposition", "Repr-Digest", "Accept-Ranges")


@contextmanager
def away(way_there: CuttingProxy) -> Iterator[None]:
    """Reset every connection to the store while the context lasts."""
    way_there.cuts.extend([0] * 10_000)
    try:
        yield
    finally:
        way_there.cuts.clear()


@pytest.fixture
def targets(api: ApiClient) -> list[str]:
    """Return the addresses of an HTML file by token, by link and public."""
    base = public_bucket(api)
    fields = {"Content-Type": "text/html"}
    api.stored("file", b"<html>" + BYTES, fields, bucket="shown")
    return ["/v1/files/shown/file", link(api, "file", bucket="shown"), f"{base}file"]


def check_problem(answer: Answer) -> None:
    """Check that the response is a problem with Retry-After and without the file's fields."""
    answer.problem(503, "unavailable")
    assert answer.header("Content-Type") == "application/problem+json"
    assert answer.header("Retry-After") == "1"
    assert answer.header("Cache-Control") == "no-store"
    for name in FIELDS:
        assert answer.headers[name] is None


def test_a_store_that_is_away(
    wharf: Wharf, api: ApiClient, targets: list[str], way_there: CuttingProxy
) -> None:
    """While the store is unreachable all downloads get a 503; afterwards downloads work again.

    No log contains a presigned address.
    """
    api.stored("photo.jpg", photo())
    with away(way_there):
        for target in targets:
            for fields in ({}, {"Range": "bytes=0-1"}):
                check_problem(api.get(target, fields))
        assert api.file("photo.jpg?w=64").status == 503
        page = api.get(targets[0], {"Accept": "text/html"})
        assert (page.status, page.header("Content-Type")) == (503, "text/html; charset=utf-8")
        assert page.header("Cache-Control") == "no-store"
    for target in targets:
        assert until(lambda target=target: api.get(target).status == 200)
    assert until(lambda: api.file("photo.jpg?w=64").status == 200)
    for path in (wharf.data / "log").iterdir():
        assert b"X-Amz-" not in path.read_bytes(), path


def object_of(api: ApiClient, store: ObjectStore) -> tuple[str, str]:
    """Return bucket and key of the only object of a tenant."""
    buckets = [one["Name"] for one in store.client.list_buckets()["Buckets"]]
    (found,) = (
        (bucket, key) for bucket in buckets for key in store.keys(bucket) if api.tenant in key
    )
    return found


def test_bytes_that_are_gone(api: ApiClient, radosgw_tls: ObjectStore) -> None:
    """No client gets the store's error for a missing object, which names bucket and key."""
    api.stored("file", BYTES)
    bucket, key = object_of(api, radosgw_tls)
    radosgw_tls.client.delete_object(Bucket=bucket, Key=key)
    for target in ("/v1/files/default/file", link(api)):
        answer = api.get(target)
        check_problem(answer)
        assert bucket.encode() not in answer.body
        assert key.encode() not in answer.body


def test_a_picture_of_bytes_that_come_back(api: ApiClient, radosgw_tls: ObjectStore) -> None:
    """A photo whose bytes were lost has a small picture again as soon as the bytes are back."""
    content = photo()
    api.stored("a.jpg", content)
    bucket, key = object_of(api, radosgw_tls)
    radosgw_tls.client.delete_object(Bucket=bucket, Key=key)
    assert api.file("a.jpg?w=64").status == 503
    radosgw_tls.client.put_object(Bucket=bucket, Key=key, Body=content)
    assert api.file("a.jpg?w=64").status == 200


def restart_gateway(wharf: Wharf) -> None:
    """Restart the gateway with the command that an operator uses."""
    subprocess.run(
        [sys.executable, "-m", "wharf_native", "restart", "gateway"],
        env={**os.environ, "WHARF_DATA": str(wharf.data)},
        cwd=ROOT,
        check=True,
        timeout=60,
    )


def test_a_store_that_is_another_one(
    wharf: Wharf, api: ApiClient, targets: list[str], ca: Path, tmp_path: Path
) -> None:
    """nginx sends no request to a server with a certificate of another authority.

    The client gets a problem without any of that server's response.
    """
    trusted = ca.read_bytes()
    ca.write_bytes(Certificate(tmp_path).authority.read_bytes())
    try:
        restart_gateway(wharf)
        # Old workers of nginx keep the old certificates for their open connections.
        for target in targets:
            assert until(lambda target=target: api.get(target).status == 503)
            check_problem(api.get(target))
    finally:
        ca.write_bytes(trusted)
        restart_gateway(wharf)
    for target in targets:
        assert until(lambda target=target: api.get(target).status == 200)
