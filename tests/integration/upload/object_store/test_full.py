"""A full disk of spool files, and a full object store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from servicekit.testing import Issuer
from tests.servers.faulty_store import answer
from tests.servers.filesystems import mounted
from tests.servers.upload import form_body
from tests.servers.upload_on_s3 import Bucket, OnS3

FULL = (507, "storage-full")


@pytest.fixture
def cramped(upload_data: Path, issuer: Issuer, bucket: Bucket, small_parts: None) -> Iterator[OnS3]:
    """Yield a service whose spool files are on a disk of two megabytes."""
    with mounted(upload_data / "spool", "tmpfs", "size=2m"):
        scene = bucket.scene(upload_data, issuer)
        with closing(scene.service.database):
            yield scene
            scene.clear()


def test_full_spool(cramped: OnS3) -> None:
    """A form whose files do not fit on the disk in addition to its body gets 507, and
    no object is made.
    """
    files = [("a.bin", b"a" * 500_000), ("b.bin", b"b" * 700_000)]
    reply = cramped.service.post_form(form_body(files), announce=False)
    assert (reply.status_code, reply.json and reply.json["type"]) == (507, "/problems/storage-full")
    cramped.assert_nothing()
    assert cramped.answer("small") == (201, "")
    cramped.assert_files("small")


def test_announced(cramped: OnS3) -> None:
    """A body that is larger than the disk of spool files is refused before it is received."""
    reply = cramped.service.put("big.bin", b"x" * (3 << 20), spooled=True)
    assert (reply.status_code, reply.headers["X-Denied-Status"]) == (403, "507")
    cramped.assert_nothing()


@pytest.mark.parametrize(
    ("way", "operation"), [("small", "put"), ("form", "put"), ("large", "upload_part")]
)
def test_full_store(scene: OnS3, way: str, operation: str) -> None:
    """A full object store leads to 507, and no byte of the file remains."""
    scene.proxy.order(operation, last=answer(403, "QuotaExceeded"))
    assert scene.answer(way) == FULL
    scene.proxy.heal()
    scene.assert_nothing()
