"""A full disk: a small ext4 for the test alone, with database, store and spool on it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from servicekit.testing import Issuer
from tests.servers.filesystems import disk
from tests.servers.upload import UploadService, assemble, copy_database, form_body, settings_for
from tests.servers.upload_invariants import assert_nothing_else, assert_sound, live

_MEGABYTES = 24
# The service caches the free space for half this time (`DiskRoom`).
_FORGET_SECONDS = 0.1


@pytest.fixture
def cramped(upload_template: Path, issuer: Issuer, tmp_path: Path) -> Iterator[UploadService]:
    """Yield a durable service on a small disk, with one file."""
    with disk(tmp_path, _MEGABYTES) as own:
        copy_database(upload_template, own.folder / "data")
        service = assemble(settings_for(own.folder / "data"), issuer)
        with closing(service.database):
            assert service.put("kept.txt", b"kept").status_code == 201
            yield service


def fill(service: UploadService, leave: int) -> Path:
    """Fill the disk until `leave` bytes are free."""
    path = service.settings.data / "filler"
    with path.open("wb") as file:
        free = os.statvfs(path).f_bavail * os.statvfs(path).f_frsize
        os.posix_fallocate(file.fileno(), 0, max(1, free - leave))
    time.sleep(_FORGET_SECONDS)
    return path


def assert_as_before(service: UploadService) -> None:
    """Assert that only the first file exists and is readable, and that nothing else uses space."""
    assert service.content("kept.txt") == b"kept"
    assert list(live(service)) == ["kept.txt"]
    assert len(service.blobs()) == 1
    assert list(service.store.leftovers()) == []
    assert_sound(service)


@pytest.mark.parametrize("spooled", [False, True])
def test_announced(cramped: UploadService, *, spooled: bool) -> None:
    """A body that cannot fit is refused with 507. The admission refuses a spooled body; the problem
    of any other body states its size.
    """
    fill(cramped, leave=1 << 20)
    reply = cramped.put("big.bin", b"x" * (2 << 20), spooled=spooled)
    if spooled:
        assert (reply.status_code, reply.headers["X-Denied-Status"]) == (403, "507")
    else:
        assert (reply.status_code, reply.json and reply.json["needed_bytes"]) == (507, 2 << 20)
    assert_as_before(cramped)


def test_form_that_does_not_fit(cramped: UploadService) -> None:
    """A form whose files do not fit next to its spooled body gets 507, and none of
    its files remains.
    """
    body = form_body([("a.bin", b"a" * (1 << 20)), ("b.bin", b"b" * (6 << 20))])
    fill(cramped, leave=len(body) + (3 << 20))
    reply = cramped.post_form(body, announce=False)
    assert (reply.status_code, reply.json and reply.json["type"]) == (507, "/problems/storage-full")
    assert_as_before(cramped)


@pytest.mark.parametrize("size", [0, 15_000])
def test_small_files_until_full(cramped: UploadService, size: int) -> None:
    """Small files are stored until the disk is full. A refused file leaves no bytes on the disk."""
    fill(cramped, leave=(200 << 10) + 35 * size)
    stored = ["kept.txt"]
    refused = []
    for number in range(100):
        reply = cramped.put(f"{number:03}.bin", bytes([number]) * size)
        if reply.status_code == 201:
            stored.append(f"{number:03}.bin")
        else:
            refused.append(reply.status_code)
    assert set(refused) == {507}
    assert sorted(live(cramped)) == sorted(stored)
    assert cramped.content("kept.txt") == b"kept"
    assert cramped.blobs() == {file.blob for file in cramped.records.live_files()}
    assert_sound(cramped)


def test_room_again(cramped: UploadService) -> None:
    """When space is free again, the same service stores files again."""
    filler = fill(cramped, leave=64 << 10)
    assert cramped.put("a.txt", b"x" * 100_000).status_code == 507
    filler.unlink()
    time.sleep(_FORGET_SECONDS)
    assert cramped.put("a.txt", b"x" * 100_000).status_code == 201
    assert cramped.request("GET", "/readyz").status_code == 200
    assert_nothing_else(cramped)
    assert_sound(cramped)
