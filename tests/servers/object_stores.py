"""Object stores for tests: Ceph's radosgw, radosgw with TLS, and OpenStack's Swift.

Each store starts when the first test of a session needs it. tests/conftest.py imports the fixtures,
so a session has one of each.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest

from tests.servers.radosgw import Cluster
from tests.servers.swift import Swift

_ACCESS_KEY = "WHARFTESTKEY00000001"
_SECRET_KEY = "wharftestsecretwharftestsecretwharftest1"
_REGION = "us-east-1"


@dataclass(frozen=True)
class ObjectStore:
    """A store at `endpoint`. `ca` is the file with its certificate authority, empty without TLS."""

    endpoint: str
    access_key: str = _ACCESS_KEY
    secret_key: str = _SECRET_KEY
    ca: str = ""

    def new_bucket(self) -> str:
        """Make an empty bucket and return its name."""
        name = f"wharf-{uuid4().hex[:16]}"
        self.client.create_bucket(Bucket=name)
        return name

    def url(self, bucket: str, prefix: str = "") -> str:
        """Return the `WHARF_BLOB_URL` of a place in this store."""
        fields = urlencode(
            {"endpoint": self.endpoint, "region": _REGION, "style": "path"}, safe=":/"
        )
        return f"s3://{bucket}/{prefix}?{fields}"

    def key_file(self, folder: Path) -> Path:
        """Write the keys into a file in the format of `WHARF_BLOB_KEY_FILE`, and return
        its path.
        """
        path = folder / "blob-keys"
        path.touch(0o600)
        path.write_text(f"{self.access_key}\n{self.secret_key}\n")
        return path

    def settings(self, folder: Path) -> dict[str, str]:
        """Return the settings of a Wharf that stores its blobs in a new bucket."""
        settings = {
            "WHARF_BLOB_URL": self.url(self.new_bucket()),
            "WHARF_BLOB_KEY_FILE": str(self.key_file(folder)),
        }
        return settings | ({"WHARF_BLOB_CA": self.ca} if self.ca else {})

    def behind(self, endpoint: str) -> ObjectStore:
        """Return this store with another endpoint, for example the endpoint of a proxy."""
        return replace(self, endpoint=endpoint)

    @cached_property
    def client(self) -> Any:
        """Return boto3's client, with which a test reads the store."""
        import boto3
        from botocore.config import Config

        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=_REGION,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            verify=self.ca or None,
            config=Config(
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    def keys(self, bucket: str) -> list[str]:
        """Return the keys of all objects of a bucket."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return [one["Key"] for page in pages for one in page.get("Contents", ())]

    def unfinished(self, bucket: str) -> list[str]:
        """Return the keys of all unfinished multipart uploads."""
        pages = self.client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket)
        return [one["Key"] for page in pages for one in page.get("Uploads", ())]


@contextmanager
def _folder(name: str) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=f"wharf-{name}-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def ceph_cluster() -> Iterator[Cluster]:
    """Yield a Ceph cluster whose radosgw serves with and without TLS."""
    with _folder("ceph") as folder:
        cluster = Cluster(folder, _ACCESS_KEY, _SECRET_KEY)
        try:
            yield cluster
        finally:
            cluster.stop()


@pytest.fixture(scope="session")
def radosgw(ceph_cluster: Cluster) -> ObjectStore:
    """Return Ceph's object store. A test makes its own buckets in it."""
    return ObjectStore(f"http://127.0.0.1:{ceph_cluster.port}")


@pytest.fixture(scope="session")
def radosgw_tls(ceph_cluster: Cluster) -> ObjectStore:
    """Return Ceph's object store with TLS. Only the file `ca` has the authority that signed its
    certificate.
    """
    # The host is a name, because nginx does not verify IP addresses in certificates.
    endpoint = f"https://localhost:{ceph_cluster.tls_port}"
    return ObjectStore(endpoint, ca=str(ceph_cluster.certificate.authority))


@pytest.fixture(scope="session")
def swift() -> Iterator[ObjectStore]:
    """Yield OpenStack's Swift behind its S3 interface."""
    with _folder("swift") as folder:
        server = Swift(folder, _ACCESS_KEY, _SECRET_KEY)
        try:
            yield ObjectStore(f"http://127.0.0.1:{server.port}", f"wharf:{_ACCESS_KEY}")
        finally:
            server.stop()
